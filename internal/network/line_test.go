package network

import (
	"errors"
	"io"
	"math"
	"testing"
	"time"
)

var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return origin.Add(time.Duration(ms) * time.Millisecond) }

// TestLine lets pieces pass at given times: none before it is due, none before what came earlier.
func TestLine(t *testing.T) {
	var l line
	l.push([]byte("abc"), at(10))
	l.push([]byte("d"), at(5)) // would overtake
	l.push(nil, at(50))        // nothing
	l.push([]byte("ef"), at(20))
	l.finish(io.EOF, at(15))
	l.finish(errors.New("later"), at(30))
	if l.bytes != 6 {
		t.Errorf("%d bytes are on their way, want 6", l.bytes)
	}
	steps := []struct {
		ms    int
		want  string
		end   error
		until int // 0: none
	}{
		{9, "", nil, 10},
		{10, "abcd", nil, 20},
		{19, "", nil, 20},
		{20, "ef", io.EOF, 0},
		{99, "", io.EOF, 0},
	}
	for _, s := range steps {
		got := ""
		n, until, end := l.due(at(s.ms))
		for ; n > 0; n, until, end = l.due(at(s.ms)) {
			got += string(l.pop(1)) // byte by byte, as a slow network
		}
		if got != s.want || end != s.end || (s.until != 0 && until != at(s.until)) || (s.until == 0 && !until.IsZero()) {
			t.Errorf("at %d ms: %q, %v, until %v; want %q, %v, %d ms", s.ms, got, end, until, s.want, s.end, s.until)
		}
	}
	if l.bytes != 0 {
		t.Errorf("%d bytes left", l.bytes)
	}
}

func TestEndIsDueToo(t *testing.T) {
	var l line
	l.finish(io.EOF, at(7))
	if n, until, end := l.due(at(6)); n != 0 || end != nil || until != at(7) {
		t.Errorf("before it is due: %d, %v, %v", n, end, until)
	}
	if n, _, end := l.due(at(7)); n != 0 || end != io.EOF {
		t.Errorf("when it is due: %d, %v", n, end)
	}
}

func TestDelay(t *testing.T) {
	f := &flow{latency: 20 * time.Millisecond, jitter: 5 * time.Millisecond}
	for luck, want := range map[float64]time.Duration{0: 15 * time.Millisecond, 0.5: 20 * time.Millisecond, 1: 25 * time.Millisecond} {
		if got := f.delay(luck); got != want {
			t.Errorf("with %g the delay is %v, want %v", luck, got, want)
		}
	}
	if got := (*flow)(nil).delay(0); got != 0 {
		t.Errorf("a good network delays by %v", got)
	}
}

// TestBucket counts bytes against a given clock: takers who come whenever they may, and late, get what the rate allows.
func TestBucket(t *testing.T) {
	for _, rate := range []float64{100, 64 << 10, 100 << 20} {
		for _, late := range []time.Duration{0, 3 * time.Millisecond, 15 * time.Millisecond} {
			b := &bucket{perS: rate}
			now, bytes := origin, 0
			for now.Before(at(10_000)) {
				n, until := b.take(now, math.MaxInt)
				bytes += n
				if n == 0 {
					now = until.Add(late)
				}
			}
			allowed := rate * 10
			if float64(bytes) < allowed*0.99 || float64(bytes) > allowed+rate*(burst+slice).Seconds()+1 {
				t.Errorf("%g bytes/s, takers %v late: %d bytes in 10 s", rate, late, bytes)
			}
		}
	}
}

// TestBucketSavesNothing: who has sent nothing for long may not send all of that at once.
func TestBucketSavesNothing(t *testing.T) {
	b := &bucket{perS: 1000}
	for _, start := range []int{0, 60_000} {
		bytes := 0
		for n, _ := b.take(at(start), math.MaxInt); n > 0; n, _ = b.take(at(start), math.MaxInt) {
			bytes += n
		}
		if bytes < 10 || bytes > 40 {
			t.Errorf("after %d ms of silence %d bytes passed at once, want the slice of 10 and at most the burst of 20 more", start, bytes)
		}
	}
}

func TestFlowOfADirection(t *testing.T) {
	second := time.Second
	tests := []struct {
		c       Conditions
		out, in bool // bad
		check   bool // has a meaning
	}{
		{Conditions{}, false, false, true},
		{Conditions{Reset: true}, false, false, true},
		{Conditions{Latency: second}, true, true, true},
		{Conditions{Latency: second, Direction: Both}, true, true, true},
		{Conditions{KiBPerS: 1, Direction: Out}, true, false, true},
		{Conditions{Drop: true, Direction: In}, false, true, true},
		{Conditions{Partition: true, Direction: In}, true, true, true},
		{Conditions{Direction: "up"}, false, false, false},
		{Conditions{Jitter: 2 * second, Latency: second}, true, true, false},
		{Conditions{Latency: -1}, true, true, false},
		{Conditions{KiBPerS: -1}, false, false, false},
	}
	for _, test := range tests {
		if out, in := test.c.flow(Out), test.c.flow(In); (out != nil) != test.out || (in != nil) != test.in {
			t.Errorf("%+v: out %+v, in %+v", test.c, out, in)
		}
		if err := test.c.check(); (err == nil) != test.check {
			t.Errorf("%+v: %v", test.c, err)
		}
	}
}
