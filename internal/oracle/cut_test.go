package oracle

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lkbench/loadgen"
	"lkbench/results"
)

// throwAway cuts the log of a partition to where the record with the given index begins.
func (e *evidence) throwAway(partition int32, index int) {
	for int(partition) >= len(e.starts) {
		e.starts = append(e.starts, 0)
	}
	all := e.topic[partition]
	if index < len(all) {
		e.starts[partition] = all[index].offset
	} else {
		e.starts[partition] = all[len(all)-1].offset + 1
	}
	e.topic[partition] = all[index:]
}

// acknowledgedStream is oddStream with every event acknowledged and once in the log.
func acknowledgedStream(lambda bool) *bed {
	b := oddStream(lambda)
	for n := range b.turns {
		b.turns[n].status, b.turns[n].copies = loadgen.Acknowledged, 1
	}
	return b
}

// TestCutAfterItWasProcessed: what the broker has thrown away after it was processed is nobody's loss.
func TestCutAfterItWasProcessed(t *testing.T) {
	for _, lambda := range []bool{false, true} {
		b := acknowledgedStream(lambda)
		whole := b.judge(t, b.simulate(b.rules, ""))
		e := b.simulate(b.rules, "")
		e.throwAway(1, 300)
		e.throwAway(2, len(e.topic[2])) // all of it
		cut := int64(300 + e.starts[2])
		j := b.judge(t, e)
		if v := verdict(j); v.Status == results.Incorrect || j.Correctness.BrokerCut != cut || j.Correctness.BrokerCutUnknown != 0 {
			t.Errorf("lambda %v: %v, cut %d, want %d\n%+v", lambda, v, j.Correctness.BrokerCut, cut, j.Correctness)
		}
		got := j.Correctness
		got.BrokerCut = 0
		if got.Expected != whole.Correctness.Expected || got.RightAnswers != whole.Correctness.RightAnswers || got.LateExpected != whole.Correctness.LateExpected {
			t.Errorf("lambda %v: judged otherwise than with the whole log:\n%+v\n%+v", lambda, got, whole.Correctness)
		}
	}
}

// TestCutBeforeItWasProcessed: what was thrown away unread is missing, and nothing is unexpected or lost by the broker.
func TestCutBeforeItWasProcessed(t *testing.T) {
	b := acknowledgedStream(false)
	e := b.simulate(b.rules, "batch lost") // the model skips offsets 200 to 219 of partition 1
	e.throwAway(1, 220)
	j := b.judge(t, e)
	c := j.Correctness
	if c.Missing == 0 || c.Wrong == 0 || c.Unexpected > c.Missing || c.BrokerLost != 0 || c.BrokerCut != 220 || verdict(j).Status != results.Incorrect {
		t.Errorf("%v: %+v", verdict(j), c)
	}
	for _, d := range c.Differences {
		if d.View == "topic" {
			t.Errorf("the broker is blamed: %+v", d)
		}
	}
}

// TestCutThatCannotBeKnown: where an unacknowledged event may have stood, nothing is proven by rows.
func TestCutThatCannotBeKnown(t *testing.T) {
	b := acknowledgedStream(false)
	hidden := -1
	for n, turn := range b.turns {
		if turn.partition == 1 && n > 100 && strings.HasPrefix(string(turn.key), "C") {
			hidden = n
			break
		}
	}
	b.turns[hidden].status = loadgen.Indeterminate
	e := b.simulate(b.rules, "")
	e.throwAway(1, 300)
	j := b.judge(t, e)
	record := &results.Record{Correctness: j.Correctness, Drained: true}
	v := results.Decide(record)
	if j.Correctness.BrokerCutUnknown != 1 || j.Correctness.BrokerCut != 299 || v.Status != results.Invalid || !strings.Contains(strings.Join(v.Reasons, "\n"), "thrown away 1 records") {
		t.Errorf("%v: %+v", v, j.Correctness)
	}
}

// TestLostWithoutACut: a hole in the log above its start is the broker's loss as before.
func TestLostWithoutACut(t *testing.T) {
	b := acknowledgedStream(false)
	e := b.simulate(b.rules, "")
	e.throwAway(1, 100)
	e.topic[1] = e.topic[1][10:]
	if c := b.judge(t, e).Correctness; c.BrokerLost != 10 || c.BrokerCut != 100 {
		t.Errorf("lost %d, cut %d, want 10 and 100", c.BrokerLost, c.BrokerCut)
	}
}

// TestCutEventsAreInLogOrder: events are acknowledged in another order than they stand in the log.
func TestCutEventsAreInLogOrder(t *testing.T) {
	e := &evidence{}
	for _, offset := range []int64{2, 0, 5, 0, 1} {
		e.ledger = append(e.ledger, loadgen.Entry{Status: loadgen.Acknowledged, Offset: offset})
	}
	e.ledger[4].Partition = 1
	path := filepath.Join(t.TempDir(), ledgerFile)
	if err := e.writeLedger(path); err != nil {
		t.Fatal(err)
	}
	ledger, err := loadgen.OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	cut := cutEvents(ledger, []int64{5, 1})
	if !slices.Equal(cut[0], []placed{{1, 0}, {3, 0}, {0, 2}}) || len(cut[1]) != 0 || distinct(cut[0]) != 2 {
		t.Errorf("%v", cut)
	}
}
