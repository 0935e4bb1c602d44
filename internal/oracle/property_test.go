package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lkbench/internal/bank"
)

// TestFoldEqualsModel draws small crowded streams under small rules, so that windows, watermark, horizon, cut and ties all
// meet, and holds the fold against the model.
func TestFoldEqualsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := func(name string, low, high int) time.Duration {
			return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Second
		}
		rules := bank.Rules{
			RelativePercent: int64(rapid.IntRange(0, 200).Draw(t, "percent")), AbsolutePaise: bank.Paise(rapid.IntRange(0, 30).Draw(t, "absolute")),
			VelocityCount: int64(rapid.IntRange(1, 4).Draw(t, "velocity")),
			Window:        seconds("window", 1, 9), Watermark: seconds("watermark", 0, 9), DedupHorizon: seconds("horizon", 0, 20),
			PremiumPaise: bank.Paise(rapid.IntRange(0, 30).Draw(t, "premium")), FrequentCount: int64(rapid.IntRange(0, 6).Draw(t, "frequent")),
		}
		var pool []string
		for id := range rapid.IntRange(1, 25).Draw(t, "transactions") {
			rupees := func(name string) string {
				return text2(int64(rapid.IntRange(-30, 40).Draw(t, name)))
			}
			balance := "null"
			if rapid.IntRange(0, 3).Draw(t, "known") > 0 {
				balance = rupees("balance")
			}
			location := rapid.SampledFrom([]string{"A", "B", "a", "null", ""}).Draw(t, "location")
			customer := rapid.SampledFrom([]string{"X", "Y"}).Draw(t, "customer")
			// Before and after the epoch.
			at := time.Unix(int64(rapid.IntRange(-15, 30).Draw(t, "at")), 0).UTC().Format(time.RFC3339)
			pool = append(pool, event(id*40, customer, rupees("amount"), balance, location, at))
		}
		pool = append(pool, "{")
		log := rapid.SliceOfN(rapid.IntRange(0, len(pool)-1), 1, 60).Draw(t, "log")
		var cut []int64
		if rapid.Bool().Draw(t, "batch layer") {
			cut = []int64{int64(rapid.IntRange(0, len(log)).Draw(t, "cut"))}
		}

		m := newModel(rules, cut, "")
		f := newFold(rules, 8, append(cut, 0)[0], nil)
		var d decoder
		for offset, i := range log {
			value := []byte(pool[i])
			m.take(0, int64(offset), value)
			if tx, err := d.decode(value); err != nil {
				f.malformed(int64(offset))
			} else {
				f.add(int64(offset), uint64(i), &tx)
			}
		}
		if diff := cmp.Diff(m.rows(), rowsOf(f)); diff != "" {
			t.Fatalf("(-model +fold):\n%s", diff)
		}
		if m.late != f.late {
			t.Fatalf("late: model %d, fold %d", m.late, f.late)
		}
		if len(m.dead) != len(f.deadLetters) {
			t.Fatalf("dead letters: model %d, fold %d", len(m.dead), len(f.deadLetters))
		}
	})
}

// rows are all rows of all views, sorted.
func (m *model) rows() (rows []string) {
	add := func(v view, row []string) { rows = append(rows, v.name+": "+strings.Join(row, " ")) }
	for _, row := range m.anomalies {
		add(viewAnomalies, row)
	}
	for key := range m.windows {
		add(viewWindows, m.windowRow(key))
	}
	for customer := range m.profiles {
		add(viewProfiles, m.profileRow(customer))
	}
	slices.Sort(rows)
	return rows
}

func rowsOf(f *fold) (rows []string) {
	var text rowText
	folds := place{folds: []*fold{f}}
	for _, v := range []struct {
		view
		rows expectedRows
	}{{viewAnomalies, &expectedAnomalies{folds}}, {viewWindows, &expectedWindows{folds}}, {viewProfiles, &expectedProfiles{folds}}} {
		v.rows.all(func(bool) {
			text.reset()
			v.rows.render(&text)
			var row []string
			for _, f := range text.fields() {
				if f.null {
					row = append(row, null)
				} else {
					row = append(row, string(f.text))
				}
			}
			rows = append(rows, v.name+": "+strings.Join(row, " "))
		})
	}
	slices.Sort(rows)
	return rows
}

// TestAnswersAreJudgedByPrefix draws the order in which a customer's events are counted and asks for every prefix of it
// and for every prefix with one column off.
func TestAnswersAreJudgedByPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := bank.DefaultRules()
		n := rapid.IntRange(1, 12).Draw(t, "events")
		m := newModel(rules, nil, "")
		f := newFold(rules, uint64(n), 0, map[string]bool{"A": true})
		var d decoder
		var answers []answer
		for i := range n {
			amount := strconv.Itoa(rapid.IntRange(1, 9).Draw(t, "amount"))
			location := rapid.SampledFrom([]string{"P", "Q", "R"}).Draw(t, "location")
			value := event(i, "A", amount, amount, location, clock(time.Duration(rapid.IntRange(0, 5).Draw(t, "minute"))*time.Minute))
			m.take(0, int64(i), []byte(value))
			tx, err := d.decode([]byte(value))
			if err != nil {
				t.Fatal(err)
			}
			f.add(int64(i), uint64(i), &tx)
			e := &evidence{}
			e.ask(&bed{turns: []bedTurn{{key: []byte("A"), value: []byte(value)}}}, m, 0)
			answers = append(answers, e.probes...)
		}
		times := func(n uint64) moments { return moments{intended: int64(n), sent: int64(n), acked: int64(n)} }
		for i := range answers {
			answers[i].SentUS, answers[i].AnsweredUS = 1000, 1000
		}
		good := judgeAnswers(answers, []*fold{f}, times, JudgeConfig{Rules: rules, Schedule: &bed{}})
		if good.wrong != 0 || good.right != 1 || good.stale != int64(n-1) {
			t.Fatalf("%d prefixes: %d right, %d stale, %d wrong %+v", n, good.right, good.stale, good.wrong, good.differences.first())
		}
		for i := range answers {
			a := &answers[i]
			switch rapid.IntRange(0, 4).Draw(t, "column") {
			case 0:
				a.AmountPaise++
			case 1:
				a.Transactions += int64(n)
			case 2:
				a.LastEventTime--
			case 3:
				a.TopLocation = nil
			case 4:
				a.AverageAmount = fmt.Sprint(a.AverageAmount, "1")
			}
		}
		if bad := judgeAnswers(answers, []*fold{f}, times, JudgeConfig{Rules: rules, Schedule: &bed{}}); bad.wrong != int64(n) {
			t.Fatalf("only %d of %d wrong answers found", bad.wrong, n)
		}
	})
}
