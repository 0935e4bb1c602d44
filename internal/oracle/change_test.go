package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/results"
)

// changeBed is a run of two events of customer A whose mean, 300 rupees, is premium under the new rules alone.
func changeBed() (*bed, bank.Rules) {
	b := &bed{rules: bank.DefaultRules()}
	for n, amount := range []string{"200.00", "400.00"} {
		b.add(0, "A", event(n, "A", amount, "null", "null", clock(time.Duration(n)*time.Minute)))
	}
	changed := b.rules
	changed.PremiumPaise = 250_00
	return b, changed
}

// asked is an answer about customer A after both events, sent and answered at these milliseconds.
func asked(segment string, sent, answered int64) answer {
	return answer{
		View: viewProfiles.name, Customer: "A", Found: true, Transactions: 2, AmountPaise: 600_00, AverageAmount: "300.00", Segment: segment,
		LastEventTime: start2016.Add(time.Minute).UnixMicro(), IntendedUS: sent * 1000, SentUS: sent * 1000, AnsweredUS: answered * 1000,
	}
}

// neutral is an answer that both versions of the rules explain: of one event, whose 200 rupees are premium under neither.
func neutral(sent int64) answer {
	a := asked("standard", sent, sent+1)
	a.Transactions, a.AmountPaise, a.AverageAmount, a.LastEventTime = 1, 200_00, "200.00", start2016.UnixMicro()
	return a
}

// TestAnswersAcrossAChange: requested at 1000 ms, seen to be switched at 2000 ms.
func TestAnswersAcrossAChange(t *testing.T) {
	older, newer := "standard", "premium"
	for _, c := range []struct {
		name            string
		answers         []answer
		wrong           []int // which are
		firstNew, lastO int64 // ms; 0: none
	}{
		{"old before, new after", []answer{asked(older, 900, 950), asked(newer, 2100, 2150)}, nil, 2150, 0},
		{"old until the switch was seen", []answer{asked(older, 1500, 1510), asked(older, 1999, 2100)}, nil, 0, 2100},
		{"new from the request on", []answer{asked(newer, 990, 1001), asked(newer, 1500, 1501)}, nil, 1001, 0},
		{"old after the switch was seen", []answer{asked(older, 2000, 2010)}, []int{0}, 0, 2010},
		{"new before the request", []answer{asked(newer, 990, 1000)}, []int{0}, 0, 0},
		{"old again after new", []answer{asked(newer, 1400, 1410), asked(older, 1411, 1420)}, []int{1}, 1410, 1420},
		{"old and new at the same time", []answer{asked(newer, 1400, 1410), asked(older, 1410, 1420)}, nil, 1410, 1420},
		{"old again after a new one that another session got", []answer{asked(older, 1600, 1610), asked(newer, 1500, 1599)}, []int{0}, 1599, 1610},
		{"a segment of neither", []answer{asked("frequent", 1500, 1510)}, []int{0}, 0, 0},
		{"a new one before the request proves nothing of the others", []answer{asked(newer, 500, 510), asked(older, 600, 610)}, []int{0}, 0, 0},
		{"both explain it", []answer{neutral(900), neutral(1500), neutral(2500)}, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, changed := changeBed()
			e := b.simulate(changed, "")
			e.probes = c.answers
			j := b.judgeChange(t, e, &Change{Rules: changed, From: time.Second, To: 2 * time.Second, Switched: true})
			var wrong []int
			for i, a := range j.Answers {
				if a.Kind == AnswerWrong {
					wrong = append(wrong, i)
				}
			}
			if len(j.Answers) != len(c.answers) || !slices.Equal(wrong, c.wrong) || int(j.Correctness.WrongAnswers) != len(c.wrong) {
				t.Errorf("wrong: %v, want %v of %+v", wrong, c.wrong, j.Answers)
			}
			if len(c.wrong) > 0 && verdict(j).Status != results.Incorrect {
				t.Errorf("wrong answers, and the verdict is %v", verdict(j))
			}
			for name, at := range map[string]struct {
				got  *time.Duration
				want int64
			}{"first new": {j.FirstNew, c.firstNew}, "last old": {j.LastOld, c.lastO}} {
				if (at.got == nil) != (at.want == 0) || at.got != nil && at.got.Milliseconds() != at.want {
					t.Errorf("%s: %v, want %d ms", name, at.got, at.want)
				}
			}
		})
	}
}

// TestMixedRules: a row that follows the old rules in one threshold and the new ones in another is right under neither.
func TestMixedRules(t *testing.T) {
	b, changed := changeBed()
	changed.FrequentCount = 1
	// Old: standard. New: premium, for the mean is above. Mixed, old premium and new frequent: frequent.
	e := b.simulate(changed, "")
	e.probes = []answer{asked("frequent", 1500, 1510)}
	j := b.judgeChange(t, e, &Change{Rules: changed, From: time.Second, To: 2 * time.Second, Switched: true})
	if c := j.Correctness; c.WrongAnswers != 1 || !strings.Contains(c.Differences[0].Expected, "segment=standard or premium") {
		t.Errorf("%+v", c)
	}
}

// TestViewsAfterAChange: at the end the views follow the new rules if they were seen to be switched, else the old ones.
func TestViewsAfterAChange(t *testing.T) {
	for _, lambda := range []bool{false, true} {
		b := oddStream(lambda)
		changed := b.rules
		changed.RelativePercent, changed.VelocityCount, changed.PremiumPaise = 90, 2, 1000_00
		for _, c := range []struct {
			name               string
			served             bank.Rules
			switched, expected bool
		}{
			{"new rules served and switched", changed, true, true},
			{"old rules served and never switched", b.rules, false, true},
			{"old rules served though switched", b.rules, true, false},
			{"new rules served though never switched", changed, false, false},
		} {
			e := b.simulate(c.served, "")
			e.probes = nil
			j := b.judgeChange(t, e, &Change{Rules: changed, From: 0, To: time.Hour, Switched: c.switched})
			if right := verdict(j).Status != results.Incorrect; right != c.expected {
				t.Errorf("%s: %+v", c.name, j.Correctness)
			}
		}
	}
}

// TestAllAnswersAreListed: each with its time and age, the failed among them.
func TestAllAnswersAreListed(t *testing.T) {
	b, _ := changeBed()
	e := b.simulate(b.rules, "")
	failed := asked("standard", 3000, 3500)
	failed.Error = "timeout"
	e.probes = []answer{neutral(1000), failed, asked("standard", 4000, 4001), asked("premium", 5000, 5001)}
	got := b.judge(t, e).Answers
	// The neutral one lacks the second event, which was due at 1 ms.
	want := []Answer{
		{Intended: time.Second, At: 1001 * time.Millisecond, Kind: AnswerStale, Age: 999 * time.Millisecond},
		{Intended: 3 * time.Second, At: 3500 * time.Millisecond, Kind: AnswerFailed},
		{Intended: 4 * time.Second, At: 4001 * time.Millisecond, Kind: AnswerRight},
		{Intended: 5 * time.Second, At: 5001 * time.Millisecond, Kind: AnswerWrong},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("answer %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestImpossibleChanges are refused.
func TestImpossibleChanges(t *testing.T) {
	b, changed := changeBed()
	window := changed
	window.Window = time.Minute
	none := changed
	none.Window = 0
	for name, change := range map[string]*Change{
		"before the request": {Rules: changed, From: 2, To: 1}, "cannot change": {Rules: window}, "window is zero": {Rules: none},
	} {
		_, err := Judge(t.TempDir(), JudgeConfig{Rules: b.rules, Change: change, Source: b, Schedule: b})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
