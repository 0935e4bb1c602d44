package bank

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	const relative, absolute, overdraft = HighValueRelative, HighValueAbsolute, OverdraftAttempt
	for _, c := range []struct {
		name    string
		balance Paise
		known   bool
		amount  Paise
		want    []string
	}{
		{"nothing", 100_000, true, 100, nil},
		{"half the balance", 100_000, true, 50_000, nil},
		{"a paisa more than half", 100_000, true, 50_001, []string{relative}},
		{"a paisa less than half, odd balance", 100_001, true, 50_000, nil},
		{"half a paisa more than half", 100_001, true, 50_001, []string{relative}},
		{"all of the balance", 100_000, true, 100_000, []string{relative}},
		{"a paisa more than the balance", 100_000, true, 100_001, []string{relative, overdraft}},
		{"the absolute limit", 100_000_000, true, 5_000_000, nil},
		{"a paisa more than the limit", 100_000_000, true, 5_000_001, []string{absolute}},
		{"the limit coming in", 100_000_000, true, -5_000_000, nil},
		{"a paisa more than the limit coming in", 100_000_000, true, -5_000_001, []string{absolute}},
		{"limit and half", 10_000_000, true, 5_000_001, []string{relative, absolute}},
		{"everything", 0, true, 5_000_001, []string{relative, absolute, overdraft}},
		{"limit and overdraft, not relative", -200_000_000, true, -90_000_000, []string{relative, absolute, overdraft}},
		{"negative balance, half of it coming in", -100_000, true, -50_000, []string{overdraft}},
		{"negative balance, evened out", -100_000, true, -100_000, nil},
		{"negative balance, large sum coming in", -10_000_000, true, -9_000_000, []string{absolute, overdraft}},
		{"empty account, nothing", 0, true, 0, nil},
		{"empty account, a paisa", 0, true, 1, []string{relative, overdraft}},
		{"unknown balance", 0, false, 1_000, nil},
		{"unknown balance, high", 0, false, 5_000_001, []string{absolute}},
		{"greatest values", MaxPaise, true, MaxPaise, []string{relative, absolute}},
		{"greatest distance", -MaxPaise, true, MaxPaise, []string{relative, absolute, overdraft}},
		{"greatest distance, coming in", MaxPaise, true, -MaxPaise, []string{absolute}},
	} {
		tx := Transaction{Balance: c.balance, HasBalance: c.known, Amount: c.amount}
		if got := DefaultRules().Check(&tx); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	rules, tx := DefaultRules(), Transaction{HasBalance: true, Amount: 6_000_000}
	n := testing.AllocsPerRun(100, func() {
		if len(rules.Check(&tx)) != 3 {
			t.Fatal("not all rules were raised")
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWindowStart(t *testing.T) {
	const minute = Micros(60_000_000)
	rules := DefaultRules()
	for m, want := range map[Micros]Micros{
		0: 0, 1: 0, 5*minute - 1: 0, 5 * minute: 5 * minute, 5*minute + 1: 5 * minute,
		-1: -5 * minute, -5 * minute: -5 * minute, -5*minute - 1: -10 * minute, -5*minute + 1: -5 * minute,
	} {
		if got := rules.WindowStart(m); got != want {
			t.Errorf("WindowStart(%d) = %d, want %d", m, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := Micros(rapid.Int64Range(int64(minTime), int64(maxTime)).Draw(t, "m"))
		rules.Window = time.Duration(rapid.IntRange(1, 100_000).Draw(t, "seconds")) * time.Second
		window := Micros(rules.Window.Microseconds())
		if start := rules.WindowStart(m); start%window != 0 || start > m || start+window <= m {
			t.Fatalf("window of %d is %d, with %v", m, start, rules.Window)
		}
	})
}

func TestLate(t *testing.T) {
	const minute = Micros(60_000_000)
	rules := DefaultRules() // windows of 5 minutes, watermark 2 minutes
	for _, c := range []struct {
		m, newest Micros
		want      bool
	}{
		{4 * minute, 4 * minute, false},
		{4 * minute, 7*minute - 1, false},
		{4 * minute, 7 * minute, true}, // the watermark is at 5 minutes, where the window ends
		{0, 7 * minute, true},
		{5 * minute, 7 * minute, false},
		{-1, 2 * minute, true},
		{-1, 2*minute - 1, false},
	} {
		if got := rules.Late(c.m, c.newest); got != c.want {
			t.Errorf("Late(%d, %d) = %v", c.m, c.newest, got)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultRules().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, c := range []struct {
		change func(*Rules)
		want   string
	}{
		{func(r *Rules) { r.RelativePercent = -1 }, "relative_percent is -1, expected 0 to 100000"},
		{func(r *Rules) { r.RelativePercent = 100_001 }, "relative_percent is 100001, expected 0 to 100000"},
		{func(r *Rules) { r.AbsolutePaise = -1 }, "absolute_paise is -1, expected 0 to 10000000000000"},
		{func(r *Rules) { r.AbsolutePaise = MaxPaise + 1 }, "absolute_paise is 10000000000001, expected 0 to 10000000000000"},
		{func(r *Rules) { r.VelocityCount = 0 }, "velocity_count is 0, expected at least 1"},
		{func(r *Rules) { r.Window = 0 }, "window is 0s, expected a whole number of seconds from 1s to 87600h0m0s"},
		{func(r *Rules) { r.Window = 1500 * time.Millisecond }, "window is 1.5s, expected a whole number of seconds from 1s to 87600h0m0s"},
		{func(r *Rules) { r.Watermark = -time.Second }, "watermark is -1s, expected whole microseconds from 0s to 87600h0m0s"},
		{func(r *Rules) { r.DedupHorizon = 1 }, "dedup_horizon is 1ns, expected whole microseconds from 0s to 87600h0m0s"},
		{func(r *Rules) { r.PremiumPaise = -1 }, "premium_paise is -1, expected 0 to 10000000000000"},
		{func(r *Rules) { r.FrequentCount = -1 }, "frequent_count is -1, expected at least 0"},
	} {
		rules := DefaultRules()
		c.change(&rules)
		if err := rules.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if err := (Rules{}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want both the window and the velocity count", err)
	}
}
