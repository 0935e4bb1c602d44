package native

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/architectures"
	"lkbench/internal/bank"
)

// changedRules differ from the default ones in all that may change.
func changedRules() bank.Rules {
	rules := bank.DefaultRules()
	rules.RelativePercent, rules.AbsolutePaise, rules.VelocityCount = 80, 2_000_000, 2
	rules.PremiumPaise, rules.FrequentCount = 100_000, 200
	return rules
}

// resetThresholds are those of the default rules.
const resetThresholds = `update serving set velocity_count = 3, premium_paise = 1500000, frequent_count = 10`

func (w *world) reprocess(t *testing.T, rules bank.Rules, grace time.Duration) {
	t.Helper()
	if err := w.system.(architectures.Reprocessor).Reprocess(t.Context(), rules, grace); err != nil {
		t.Fatal(err)
	}
}

func (w *world) reprocessing(t *testing.T) *architectures.Reprocessing {
	t.Helper()
	r, err := w.system.(architectures.Reprocessor).Reprocessing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReprocess corrects history twice, by other rules and by the same again, and holds what is told about it.
func TestReprocess(t *testing.T) {
	w := newWorld(t)
	if r := w.reprocessing(t); r != nil {
		t.Errorf("nothing was asked for, but %+v", r)
	}
	records := w.grow(t, nil, 300)
	w.generate(t)
	for round, rules := range []bank.Rules{changedRules(), changedRules(), bank.DefaultRules()} {
		before := w.batchAnswers(t)
		w.reprocess(t, rules, time.Hour)
		if r := w.reprocessing(t); time.Since(r.RequestedAt) > time.Minute || r.StartedAt != nil || r.SwitchedAt != nil || r.DoneAt != nil || r.Attempts != 0 {
			t.Errorf("asked for: %+v", r)
		}
		if err := w.system.(architectures.Reprocessor).Reprocess(t.Context(), rules, 0); !errors.Is(err, errUnderWay) {
			t.Errorf("a second one while the first is under way: %v", err)
		}
		if now := w.batchAnswers(t); !slices.Equal(now.Profiles, before.Profiles) {
			t.Error("the answers have changed before the switch")
		}
		if m := w.generate(t); m.Mode != modeFull {
			t.Errorf("round %d: mode %s, want full", round, m.Mode)
		}
		w.expectUnder(t, records, rules)
		r := w.reprocessing(t)
		if r.StartedAt == nil || r.SwitchedAt == nil || r.StartedAt.Before(r.RequestedAt) || r.SwitchedAt.Before(*r.StartedAt) ||
			r.DoneAt != nil || r.Events != int64(len(records)) || r.Attempts != 1 {
			t.Errorf("switched: %+v", r)
		}
		// A process that was started with the rules of the deployment goes on by those in force.
		records = w.grow(t, records, 40)
		w.setRules(bank.DefaultRules())
		if m := w.generate(t); m.Mode != modeChanges {
			t.Errorf("the generation after it: mode %s, want changes", m.Mode)
		}
		w.expectUnder(t, records, rules)
		w.endsChange(t)
	}
}

// endsChange holds when a change ends: after its grace time, and when speed holds nothing of what was before.
func (w *world) endsChange(t *testing.T) {
	t.Helper()
	conn := connect(t, w.env.Postgres)
	again, err := endChange(t.Context(), conn)
	if err != nil || time.Until(again) < 50*time.Minute || w.reprocessing(t).DoneAt != nil {
		t.Errorf("within the grace time: again at %v, %v", again, err)
	}
	w.exec(t, `update changes set grace = '0s' where done_at is null`)
	w.exec(t, `insert into rt_windows values (0, 'C', 'epoch', 1, 1, null)`)
	held, err := w.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `update rt_windows set transactions = 2`); err != nil {
		t.Fatal(err)
	}
	if again, err = endChange(t.Context(), conn); err != nil || again.IsZero() || w.reprocessing(t).DoneAt != nil {
		t.Errorf("while speed holds a row: again at %v, %v", again, err)
	}
	if err := held.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err = endChange(t.Context(), conn); err != nil || !again.IsZero() || w.reprocessing(t).DoneAt == nil {
		t.Errorf("when all is over: again at %v, %v", again, err)
	}
}

// TestImpossibleChanges are refused before anything is asked for.
func TestImpossibleChanges(t *testing.T) {
	w := newWorld(t)
	for want, change := range map[string]func(*bank.Rules, *time.Duration){
		"cannot change":  func(r *bank.Rules, _ *time.Duration) { r.Window = time.Minute },
		"velocity_count": func(r *bank.Rules, _ *time.Duration) { r.VelocityCount = 0 },
		"grace":          func(_ *bank.Rules, grace *time.Duration) { *grace = -time.Second },
	} {
		rules, grace := changedRules(), time.Duration(0)
		change(&rules, &grace)
		err := w.system.(architectures.Reprocessor).Reprocess(t.Context(), rules, grace)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if r := w.reprocessing(t); r != nil {
		t.Errorf("asked for nevertheless: %+v", r)
	}
}

// TestChangeIsTakenUpAtOnce asks for a change while the batch rests for an hour, and again while it is at a generation that
// cannot end: that one is broken off, and never published.
func TestChangeIsTakenUpAtOnce(t *testing.T) {
	w := newWorld(t)
	w.env.Settings.BatchEvery = time.Hour
	records := w.grow(t, nil, 100)
	w.generate(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	start := func() {
		w.setRules(w.env.Rules)
		go func() { ended <- w.batch.run(ctx) }()
	}
	start()
	w.reprocess(t, changedRules(), 0)
	w.eventually(t, "the change is over", func() bool { return w.reprocessing(t).DoneAt != nil })
	w.expectUnder(t, records, changedRules())
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	// Speed is ahead, so the next generation waits for ingest.
	w.env.Settings.BatchEvery = time.Millisecond
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	w.streams(t, 100, 140)
	start()
	w.eventually(t, "the third generation waits", func() bool { return len(w.dump(t, `select '' from cuts where generation = 3`)) > 0 })
	w.reprocess(t, bank.DefaultRules(), 0)
	w.eventually(t, "the change has its own plan", func() bool { return len(w.dump(t, `select '' from cuts where generation = 4`)) > 0 })
	records = w.grow(t, records, 40)
	w.eventually(t, "the change is served", func() bool { return w.reprocessing(t).SwitchedAt != nil })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.expectUnder(t, records, bank.DefaultRules())
	if got := w.dump(t, `select generation::text from generations where generation <= 4`); !slices.Equal(got, []string{"1", "2", "4"}) {
		t.Errorf("generations %q, want 1, 2 and 4", got)
	}
}

// eventually waits, for far longer than it can take, until something is so.
func (w *world) eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestViewsAreExactWhileRulesChange changes the rules in the middle of a stream. Every read shows the old answers, and speed's
// alerts above the cut by the new rules, until one shows the new ones; what changes too early or too late is caught.
func TestViewsAreExactWhileRulesChange(t *testing.T) {
	rules := changedRules()
	if err := watchViews(t, newWorld(t), &rules); err != nil {
		t.Error(err)
	}
	for name, breaks := range map[string]string{
		"speed ignores the rules of the epoch": `create schema speed; create table speed.changes (like public.changes)`,
		"the thresholds are switched with the plan": `create function hurry() returns trigger language plpgsql as
				'begin update serving set premium_paise = 100000, frequent_count = 200, velocity_count = 2; return null; end';
			create trigger hurry after update of generation on changes for each row execute function hurry()`,
		"the generation keeps the old rules": `create function forget() returns trigger language plpgsql as
				'begin new.rules = (new.rules || ''{"absolute_paise": 5000000}''); return new; end';
			create trigger forget before insert on changes for each row execute function forget()`,
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			for range 10 { // the reads of one stream can all miss the moments that matter
				w := newWorld(t)
				w.exec(t, breaks)
				if err = watchViews(t, w, &rules); errors.As(err, new(inexact)) {
					return
				}
			}
			t.Errorf("passes: %v", err)
		})
	}
}

// TestAlertsOfGenerations lets a generation cover what speed has not come to: its alerts are told, once, and by the generation
// that shows them. Those of a change of rules are not.
func TestAlertsOfGenerations(t *testing.T) {
	w := newWorld(t)
	all := `select transaction_id || ' ' || rule from batch_anomalies`
	told := `select transaction_id || ' ' || rule from generation_alerts`
	first := w.grow(t, nil, 100)
	w.generate(t)
	if got := w.dump(t, told); len(got) == 0 || !slices.Equal(got, w.dump(t, all)) {
		t.Errorf("the first generation told %q", got)
	}
	// Speed has come to half of what the second one covers.
	w.exec(t, `delete from generation_alerts`)
	before := w.dump(t, all)
	w.grow(t, first, 100)
	w.exec(t, `insert into rt_anomalies select 1, 'T' || n, r, 'C', 'epoch', 1, null, null
		from generate_series(100, 149) n, unnest('{high_value_relative,high_value_absolute,overdraft_attempt,velocity}'::text[]) r`)
	w.exec(t, `insert into rt_anomalies select 0, 'T' || n, 'high_value_absolute', 'C', 'epoch', 1, null, null from generate_series(150, 199) n`)
	if m := w.generate(t); m.RealtimeRows != 250 {
		t.Errorf("%d realtime rows taken over, want 250", m.RealtimeRows)
	}
	var want []string
	for _, alert := range w.dump(t, all) {
		if _, known := slices.BinarySearch(before, alert); !known && alert[:4] >= "T150" {
			want = append(want, alert)
		}
	}
	if got := w.dump(t, told); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the second generation told\n%q, want\n%q", got, want)
	}
	w.exec(t, `delete from generation_alerts`)
	w.generate(t)
	rules := changedRules()
	w.reprocess(t, rules, 0)
	w.generate(t)
	if got := w.dump(t, told); len(got) > 0 {
		t.Errorf("told again, or as history: %q", got)
	}
}

// TestMissedAlertsAreSeen has generations and late events show alerts that nobody is told of: the reads must find them out.
func TestMissedAlertsAreSeen(t *testing.T) {
	for name, kept := range map[string]string{"of generations": "new.generation > 0", "of speed": "new.generation = 0"} {
		t.Run(name, func(t *testing.T) {
			var err error
			for range 10 {
				w := newWorld(t)
				w.exec(t, `create function hush() returns trigger language plpgsql as
					'begin if `+kept+` then return null; end if; return new; end';
					create trigger hush before insert on generation_alerts for each row execute function hush()`)
				if err = watchViews(t, w, nil); errors.As(err, new(inexact)) && strings.Contains(err.Error(), "no observer") {
					return
				}
			}
			t.Errorf("nothing was missed: %v", err)
		})
	}
}
