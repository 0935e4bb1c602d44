package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lkbench/internal/bank"
	"lkbench/loadgen"
	"lkbench/results"
)

// mutation is one thing a system, a broker or a probe can do wrong. If neither rules nor change is set, the model does it: see
// there for the name.
type mutation struct {
	name   string
	caught string // which count of results.Correctness shows it
	lambda bool
	rules  func(*bank.Rules)
	change func(*evidence)
}

// mutations is the table of docs/mutations.md.
func mutations() []mutation {
	list := []mutation{
		// Thresholds one off
		{name: "high_value_relative: percent + 1", caught: "missing", rules: func(r *bank.Rules) { r.RelativePercent++ }},
		{name: "high_value_relative: percent - 1", caught: "unexpected", rules: func(r *bank.Rules) { r.RelativePercent-- }},
		{name: "high_value_absolute: limit + 1 paisa", caught: "missing", rules: func(r *bank.Rules) { r.AbsolutePaise++ }},
		{name: "high_value_absolute: limit - 1 paisa", caught: "unexpected", rules: func(r *bank.Rules) { r.AbsolutePaise-- }},
		{name: "overdraft_attempt: a paisa lower", caught: "missing"},
		{name: "overdraft_attempt: a paisa higher", caught: "unexpected"},
		{name: "velocity: count + 1", caught: "missing", rules: func(r *bank.Rules) { r.VelocityCount++ }},
		{name: "velocity: count - 1", caught: "unexpected", rules: func(r *bank.Rules) { r.VelocityCount-- }},
		{name: "premium: limit + 1 paisa", caught: "wrong", rules: func(r *bank.Rules) { r.PremiumPaise++ }},
		{name: "premium: limit - 1 paisa", caught: "wrong", rules: func(r *bank.Rules) { r.PremiumPaise-- }},
		{name: "frequent: count + 1", caught: "wrong", rules: func(r *bank.Rules) { r.FrequentCount++ }},
		{name: "frequent: count - 1", caught: "wrong", rules: func(r *bank.Rules) { r.FrequentCount-- }},
		{name: "window: a second longer", caught: "unexpected", rules: func(r *bank.Rules) { r.Window += 1e9 }},
		{name: "watermark: a second longer", caught: "late_counted", rules: func(r *bank.Rules) { r.Watermark += 1e9 }},
		{name: "watermark: a second shorter", caught: "late_counted", rules: func(r *bank.Rules) { r.Watermark -= 1e9 }},
		{name: "horizon: a second longer", caught: "wrong", rules: func(r *bank.Rules) { r.DedupHorizon += 1e9 }},
		{name: "horizon: a second shorter", caught: "wrong", rules: func(r *bank.Rules) { r.DedupHorizon -= 1e9 }},

		// Comparisons
		{name: "high_value_relative: >= for >", caught: "unexpected"},
		{name: "high_value_absolute: >= for >", caught: "unexpected"},
		{name: "overdraft_attempt: <= for <", caught: "unexpected"},
		{name: "velocity: >= for ==", caught: "unexpected"},
		{name: "velocity: > for >=", caught: "missing"},
		{name: "premium: >= for >", caught: "wrong"},
		{name: "frequent: >= for >", caught: "wrong"},
		{name: "late: < for <=", caught: "late_counted"},
		{name: "horizon: > for >=", caught: "wrong"},

		// Rules read wrongly
		{name: "high_value_relative without balance", caught: "unexpected"},
		{name: "high_value_absolute without |…|", caught: "missing"},
		{name: "null balance as zero", caught: "unexpected"},
		{name: "balance after the transaction", caught: "wrong"},
		{name: "greatest balance starts at zero", caught: "wrong"},
		{name: "balance of the last", caught: "wrong"},
		{name: "premium by the rounded average", caught: "wrong"},
		{name: "frequent before premium", caught: "wrong"},
		{name: "average cut off", caught: "wrong"},
		{name: "average rounded half to even", caught: "wrong"},
		{name: "average rounded half up", caught: "wrong"},
		{name: "average through a float", caught: "wrong"},
		{name: "top location: first seen wins a tie", caught: "wrong"},
		{name: "top location: greatest wins a tie", caught: "wrong"},
		{name: "top location: tie without case", caught: "wrong"},
		{name: "missing location counted", caught: "wrong"},
		{name: "last_event_time of the last", caught: "wrong"},
		{name: "window shifted by a second", caught: "unexpected"},
		{name: "window by local time", caught: "unexpected"},
		{name: "late by the window's start", caught: "late_counted"},
		{name: "newest event time over all partitions", caught: "late_counted"},

		// Records read wrongly
		{name: "float for money", caught: "wrong"},
		{name: "money cut off at paise", caught: "wrong"},
		{name: "microseconds rounded", caught: "wrong"},
		{name: "offset of the time ignored", caught: "wrong"},
		{name: "field names without case", caught: "wrong"},
		{name: "first of a repeated field", caught: "wrong"},
		{name: "null amount as zero", caught: "unexpected"},
		{name: "long text taken", caught: "unexpected"},
		{name: "text after the record taken", caught: "unexpected"},
		{name: "invalid UTF-8 taken", caught: "unexpected"},

		// Delivery
		{name: "batch lost", caught: "missing"},
		{name: "batch doubled", caught: "wrong"},
		{name: "duplicate counted", caught: "wrong"},
		{name: "identifiers remembered for ever", caught: "wrong"},
		{name: "late event dropped", caught: "missing"},
		{name: "late event not counted as late", caught: "late_counted"},
		{name: "dead letter lost", caught: "missing"},
		{name: "seam counted twice", caught: "wrong", lambda: true},
		{name: "seam lost", caught: "wrong", lambda: true},
		{name: "repetition below the cut counted", caught: "wrong", lambda: true},

		// Served rows
		{name: "dead letter of a good record", caught: "unexpected", change: func(e *evidence) { e.dead = append(e.dead, [3]string{"0", "0", "?"}) }},
		{name: "dead letter without a source", caught: "unexpected", change: func(e *evidence) { e.dead = append(e.dead, [3]string{"", "", "?"}) }},
		{name: "late count one too many", caught: "late_counted", change: func(e *evidence) { e.late++ }},
		{name: "late count one too few", caught: "late_counted", change: func(e *evidence) { e.late-- }},
		{name: "empty location for null", caught: "wrong", change: func(e *evidence) {
			replace(e.views[2], func(row []string) bool { return row[5] == null }, 5, "")
		}},
		{name: "anomaly under another rule", caught: "unexpected", change: func(e *evidence) { e.views[0][7][1] = "high_value" }},
		{name: "anomaly of an unknown transaction", caught: "unexpected", change: func(e *evidence) {
			e.views[0] = append(e.views[0], slices.Clone(e.views[0][0]))
			e.views[0][len(e.views[0])-1][0] = "X1"
		}},

		// Answers to probes
		{name: "answer: a paisa too much", caught: "wrong_answers", change: func(e *evidence) { e.found(40).AmountPaise++ }},
		{name: "answer: one transaction too many", caught: "wrong_answers", change: func(e *evidence) { e.found(40).Transactions++ }},
		{name: "answer: one transaction too few", caught: "wrong_answers", change: func(e *evidence) { e.found(40).Transactions-- }},
		{name: "answer: another greatest balance", caught: "wrong_answers", change: func(e *evidence) { v := int64(1); e.found(40).MaxBalance = &v }},
		{name: "answer: another average", caught: "wrong_answers", change: func(e *evidence) { e.found(40).AverageAmount += "0" }},
		{name: "answer: another top location", caught: "wrong_answers", change: func(e *evidence) { v := "ATLANTIS"; e.found(40).TopLocation = &v }},
		{name: "answer: another segment", caught: "wrong_answers", change: func(e *evidence) { e.found(40).Segment = "gold" }},
		{name: "answer: another last_event_time", caught: "wrong_answers", change: func(e *evidence) { e.found(40).LastEventTime++ }},
		{name: "answer: from before its events were sent", caught: "wrong_answers", change: func(e *evidence) { e.found(40).AnsweredUS -= 2_000_000 }},
		{name: "answer: a row of nothing", caught: "wrong_answers", change: func(e *evidence) { *e.found(40) = answer{View: viewWindows.name, Customer: "nobody", Found: true} }},

		// The broker
		{name: "broker: acknowledged record lost", caught: "broker_lost", change: func(e *evidence) { e.topic[1] = slices.Delete(e.topic[1], 50, 51) }},
		{name: "broker: acknowledged record at another offset", caught: "broker_lost", change: func(e *evidence) { e.ledger[e.topic[1][50].n].Offset++ }},
		{name: "broker: acknowledged record in another partition", caught: "broker_lost", change: func(e *evidence) { e.ledger[e.acknowledged(1)].Partition++ }},
		{name: "broker: acknowledged record twice", caught: "broker_duplicate", change: func(e *evidence) {
			last := e.topic[1][len(e.topic[1])-1]
			e.topic[1] = append(e.topic[1], record{offset: last.offset + 1, n: e.acknowledged(1), kind: recordSame})
		}},
		{name: "broker: record altered", caught: "broker_corrupt", change: func(e *evidence) {
			r := &e.topic[1][50]
			r.kind, r.key, r.value = recordAltered, []byte("C01"), []byte("{}")
		}},
		{name: "broker: foreign record", caught: "foreign_records", change: func(e *evidence) {
			last := e.topic[1][len(e.topic[1])-1]
			e.topic[1] = append(e.topic[1], record{offset: last.offset + 1, n: noTurn, kind: recordForeign, value: []byte("{}")})
		}},
		{name: "broker: record of an event that was not sent", caught: "foreign_records", change: func(e *evidence) { e.ledger[e.acknowledged(1)] = loadgen.Entry{} }},
	}
	for i, v := range evidenceViews {
		list = append(list,
			mutation{name: v.name + ": a row deleted", caught: "missing", change: func(e *evidence) { e.views[i] = slices.Delete(e.views[i], 5, 6) }},
			mutation{name: v.name + ": a row doubled", caught: "duplicate", change: func(e *evidence) { e.views[i] = append(e.views[i], e.views[i][5]) }},
			mutation{name: v.name + ": all rows gone", caught: "missing", change: func(e *evidence) { e.views[i] = nil }},
		)
		for c, column := range v.columns {
			caught := "wrong"
			if c < v.keys {
				caught = "unexpected"
			}
			list = append(list,
				mutation{name: fmt.Sprintf("%s: %s changed in a row", v.name, column), caught: caught, change: func(e *evidence) {
					row := slices.Clone(e.views[i][5])
					row[c] = other(row[c])
					e.views[i][5] = row
				}},
				mutation{name: fmt.Sprintf("%s: %s null in a row", v.name, column), caught: caught, change: func(e *evidence) {
					replace(e.views[i], func(row []string) bool { return row[c] != null }, c, null)
				}})
		}
	}
	return list
}

// replace changes one column of the first row that fits.
func replace(rows [][]string, fits func([]string) bool, column int, text string) {
	i := slices.IndexFunc(rows, fits)
	rows[i] = slices.Clone(rows[i])
	rows[i][column] = text
}

// other is a value that differs as little as possible.
func other(text string) string {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(v+1, 10)
	}
	if text == null {
		return "0"
	}
	return text + "1"
}

// found is the i-th answer about a profile that was found with a balance and a location.
func (e *evidence) found(i int) *answer {
	for k := range e.probes {
		if a := &e.probes[k]; a.Found && a.View == viewProfiles.name && a.MaxBalance != nil && a.TopLocation != nil && a.Transactions > 3 {
			if i--; i == 0 {
				return a
			}
		}
	}
	panic("too few answers")
}

// acknowledged is an acknowledged event in a partition.
func (e *evidence) acknowledged(partition int32) uint64 {
	for _, r := range e.topic[partition][60:] {
		if e.ledger[r.n].Status == loadgen.Acknowledged {
			return r.n
		}
	}
	panic("no such event")
}

// counts are the numbers of a Correctness that a mutation may be caught by.
func counts(c results.Correctness) map[string]int64 {
	return map[string]int64{
		"missing": c.Missing, "duplicate": c.Duplicate, "wrong": c.Wrong, "unexpected": c.Unexpected,
		"broker_lost": c.BrokerLost, "broker_duplicate": c.BrokerDuplicate, "broker_corrupt": c.BrokerCorrupt,
		"foreign_records": c.ForeignRecords, "wrong_answers": c.WrongAnswers, "late_counted": c.LateCounted - c.LateExpected,
	}
}

func TestMutations(t *testing.T) {
	clean := map[bool]*evidence{}
	ledger := map[bool]string{} // written once: a ledger is synced to the disk
	for _, lambda := range []bool{false, true} {
		b := oddStream(lambda)
		clean[lambda] = b.simulate(b.rules, "")
		dir := t.TempDir()
		clean[lambda].write(t, dir)
		ledger[lambda] = filepath.Join(dir, ledgerFile)
	}
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			b := oddStream(m.lambda)
			rules, flaw := b.rules, ""
			if m.rules != nil {
				m.rules(&rules)
			} else if m.change == nil {
				flaw = m.name
			}
			e := b.simulate(rules, flaw)
			if m.change != nil {
				m.change(e)
			}
			if reflect.DeepEqual(e, clean[m.lambda]) {
				t.Fatal("not exercised: the stream holds no case that makes it visible")
			}
			if slices.Equal(e.ledger, clean[m.lambda].ledger) {
				e.ledgerFrom = ledger[m.lambda]
			}
			j := b.judge(t, e)
			if v := verdict(j); v.Status != results.Incorrect {
				t.Fatalf("slipped through: %s\n%+v", v.Status, j.Correctness)
			}
			if counts(j.Correctness)[m.caught] == 0 {
				t.Errorf("not caught as %s: %+v", m.caught, j.Correctness)
			}
		})
	}
}

// TestMutationsAreDocumented holds the table of docs/mutations.md against the code, row by row.
func TestMutationsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/mutations.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ") {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	want := []string{"| mutation | caught as |"}
	for _, m := range mutations() {
		want = append(want, fmt.Sprintf("| %s | %s |", strings.ReplaceAll(m.name, "|", `\|`), m.caught))
	}
	if os.Getenv("PRINT_MUTATIONS") != "" {
		t.Log("\n" + strings.Join(want, "\n"))
	}
	for _, row := range want {
		if !slices.Contains(documented, row) {
			t.Errorf("docs/mutations.md lacks %s", row)
		}
	}
	for _, row := range documented {
		if !slices.Contains(want, row) {
			t.Errorf("docs/mutations.md has a row without a mutation: %s", row)
		}
	}
}
