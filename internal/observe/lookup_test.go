package observe

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestFollowerSwitch: what is inserted into a table before it is switched to is not seen, and found afterwards; what comes
// later is seen. The former table may go, also before the connection is lost.
func TestFollowerSwitch(t *testing.T) {
	url, conn := database(t, alertTable("alerts_1"), alertTable("alerts_2"), "create view served as select * from alerts_1")
	c := newClock()
	f := startFollower(t, url, c, nil, "alerts_1")
	insertAlert(t, conn, "alerts_1", 20, "high")
	insertAlert(t, conn, "alerts_2", 20, "high")
	insertAlert(t, conn, "alerts_2", 30, "low")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 1 {
		t.Fatalf("%d alerts were seen before the switch, expected the one of the table that is served", got)
	}

	mustExec(t, conn, "create or replace view served as select * from alerts_2")
	if err := f.Switch(t.Context(), []string{"alerts_2"}); err != nil {
		t.Fatal(err)
	}
	insertAlert(t, conn, "alerts_2", 40, "low")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 2 {
		t.Errorf("%d alerts were seen after the switch, expected 2", got)
	}
	served, unseen, err := f.Unseen(t.Context(), "served")
	if err != nil || served != 3 || !slices.Equal(unseen, []uint64{30}) {
		t.Errorf("%d served, unseen %v (%v), expected 3 and only event 30", served, unseen, err)
	}

	c.advance(time.Second)
	mustExec(t, conn, "drop table alerts_1")
	mustExec(t, conn, "select pg_terminate_backend(pid) from pg_stat_replication")
	deadline := time.Now().Add(time.Minute)
	for len(f.Counts().Gaps) == 0 || f.Counts().Gaps[0].Back == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the follower has not come back")
		}
		time.Sleep(10 * time.Millisecond)
	}
	insertAlert(t, conn, "alerts_2", 50, "low")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 4 { // 30 was looked up with the new connection
		t.Errorf("%d alerts after the connection was lost, expected 4", got)
	}
	if err := f.Switch(t.Context(), []string{"nowhere"}); err == nil {
		t.Error("a table that does not exist was followed")
	}
}

// TestSequenceCannotSwitch: the other method says so, and goes on with what it had.
func TestSequenceCannotSwitch(t *testing.T) {
	f := newFollower(FollowerConfig{BySequence: "tried", Tables: []string{"a"}, Rules: testRules})
	if err := f.Switch(context.Background(), []string{"a"}); err != nil {
		t.Errorf("nothing new to follow: %v", err)
	}
	if err := f.Switch(context.Background(), []string{"b"}); err == nil {
		t.Error("a new table was followed by sequence")
	}
	if got := f.alertTables(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("follows %v after an error", got)
	}
}

// TestPoints keeps every sighting, warm-up included.
func TestPoints(t *testing.T) {
	cfg := FollowerConfig{Rules: testRules, Events: 100, Warmup: 10, Intended: everyMilli, Points: true}
	s := newSightings(&cfg)
	s.origin = time.Now()
	tx := transaction{pending: []uint64{5 << 8, 50<<8 | 1, 50<<8 | 1}}
	s.visible(&tx, time.Time{}, s.origin.Add(80*time.Millisecond))
	want := []Point{{80 * time.Millisecond, 75 * time.Millisecond}, {80 * time.Millisecond, 30 * time.Millisecond}}
	if got := s.Points(); !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}
