package doctor

import (
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// clockCheck judges the monotonic clock that all measurements share: its smallest step, and what a look at it costs.
func clockCheck(root fs.FS, step, cost time.Duration) Check {
	c := Check{Name: "clock", Status: OK, Found: fmt.Sprintf("monotonic, in steps of %v; a look takes %v", step, cost),
		Measured: map[string]float64{"step_ns": float64(step), "read_ns": float64(cost)}}
	source := line(root, "sys/devices/system/clocksource/clocksource0/current_clocksource")
	if source != "" {
		c.Found += " (" + source + ")"
	}
	switch {
	case step > 10*time.Microsecond:
		c.Status, c.Do = Warning, "latencies are no finer than that: use another machine for latencies below a millisecond"
	case cost > time.Microsecond:
		c.Status, c.Do = Warning, "every event looks at the clock: use another machine"
		if source == "hpet" || source == "acpi_pm" {
			c.Do = "this clock source is slow: boot the kernel with clocksource=tsc tsc=reliable if the processor has a steady one"
		}
	}
	return c
}

// readClock measures the smallest step between two looks, and what one takes when nothing comes between.
func readClock() (step, cost time.Duration) {
	const looks, rounds = 500, 40
	step, cost = time.Hour, time.Hour
	for range rounds {
		began := time.Now()
		last := began
		for range looks {
			now := time.Now()
			if d := now.Sub(last); d > 0 {
				step = min(step, d)
			}
			last = now
		}
		cost = min(cost, last.Sub(began)/looks)
	}
	return step, cost
}

// synced is whether a time service keeps the clock right.
type synced struct {
	known, yes bool
	maxError   time.Duration // as the kernel estimates it
}

// syncedCheck judges the time of day. Durations do not depend on it.
func syncedCheck(s synced) Check {
	const name = "time_sync"
	switch {
	case !s.known:
		return Check{Name: name, Status: Unknown, Found: "this system does not tell whether a time service keeps the clock right; durations do not depend on it"}
	case s.yes:
		return Check{Name: name, Status: OK, Found: fmt.Sprintf("a time service keeps the clock right, within %v", short(s.maxError)),
			Measured: map[string]float64{"max_error_ms": ms(s.maxError)}}
	}
	return Check{Name: name, Status: Warning,
		Found: "no time service keeps the clock right: times of day in records may be off; durations do not depend on it",
		Do:    "apt-get install chrony (or start the one there is: sudo timedatectl set-ntp true)"}
}

const (
	timerSleep   = time.Millisecond
	timerSamples = 250
	timerBudget  = 600 * time.Millisecond // on a machine where they take longer, fewer say enough
)

// timerCheck judges how late a sleep of 1 ms wakes up. The load generator sleeps in the same way between sends.
func timerCheck(lateness []time.Duration) Check {
	slices.Sort(lateness)
	at := func(percent int) time.Duration { return lateness[(len(lateness)-1)*percent/100] }
	median, p99, worst := at(50), at(99), at(100)
	c := Check{Name: "timer", Status: OK,
		Found:    fmt.Sprintf("a sleep of 1 ms wakes up %v late (median of %d), p99 %v, at worst %v", short(median), len(lateness), short(p99), short(worst)),
		Measured: map[string]float64{"late_p50_ms": ms(median), "late_p99_ms": ms(p99), "late_max_ms": ms(worst)}}
	if median > time.Millisecond || p99 > 5*time.Millisecond {
		c.Status, c.Do = Warning, "sends will be late, and a run whose schedule delay is too large is invalid: end what keeps the processors busy, or use another machine"
	}
	return c
}

// sleepLateness measures how much longer sleeps last than they should.
func sleepLateness() []time.Duration {
	var lateness []time.Duration
	for start := time.Now(); len(lateness) == 0 || len(lateness) < timerSamples && time.Since(start) < timerBudget; {
		began := time.Now()
		sleep(timerSleep)
		lateness = append(lateness, max(0, time.Since(began)-timerSleep))
	}
	return lateness
}
