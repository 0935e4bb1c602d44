package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lkbench/internal/network"
	"lkbench/scenarios"
)

// wired is a component that is told its conditions as a process is, and answers a second later.
type wired struct {
	container
	net  *network.Network
	deaf bool // answers nothing but the end
}

func newWired(j *journal, name string) *wired {
	return &wired{container: container{journal: j, name: name}, net: network.New()}
}

func (w *wired) Release()                                {}
func (w *wired) Replace(context.Context) (Former, error) { return nil, errors.New("no room") }

func (w *wired) Network(ctx context.Context, to string, c network.Conditions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.add("%s %s %s", w.name, to, in(c))
	if w.deaf && c != (network.Conditions{}) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	time.Sleep(time.Second)
	return network.Tell(ctx, told{network.Serve(w.net)}, to, c)
}

type told struct{ answer func([]byte) []byte }

func (t told) Tell(_ context.Context, line []byte) ([]byte, error) { return t.answer(line), nil }

// in gives conditions in short.
func in(c network.Conditions) string {
	text, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	if s := strings.Trim(strings.ReplaceAll(string(text), `"`, ""), "{}"); s != "" {
		return s
	}
	return "good"
}

// seek makes the component ask for a connection to a far side every second, in vain: nothing listens there.
func (w *wired) seek(ctx context.Context, to string) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, time.Nanosecond)
		_, _ = w.net.Dialer(to)(attempt, "tcp", "127.0.0.1:1")
		cancel()
		_ = hold(ctx, time.Second)
	}
}

func planned(kind string) scenarios.Fault {
	return scenarios.Fault{
		Kind: kind, Target: "x", To: "kafka", For: scenarios.Duration(5 * time.Second),
		Direction: "out", Mean: scenarios.Duration(20 * time.Millisecond), Jitter: scenarios.Duration(5 * time.Millisecond), KiBPerS: 64,
	}
}

// TestNetworkFaults: conditions are set, held, and taken away; the effect is when the component has answered.
func TestNetworkFaults(t *testing.T) {
	for kind, c := range map[string]struct{ set, what string }{
		KindLatency:   {"direction:out,latency_ns:20000000,jitter_ns:5000000", "kafka: delayed by 20ms ± 5ms, only from the component"},
		KindBandwidth: {"direction:out,kib_per_s:64", "kafka: at most 64 KiB/s, only from the component"},
		KindDrop:      {"direction:out,drop:true", "kafka: nothing passes, only from the component"},
		KindPartition: {"partition:true", "kafka: cut off"},
	} {
		synctest.Test(t, func(t *testing.T) {
			j := newJournal()
			x := newWired(j, "x")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go x.seek(ctx, network.Kafka)
			f, err := New(planned(kind))
			if err != nil {
				t.Fatal(err)
			}
			out, err := f.Inject(t.Context(), j.world(x))
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if want := fmt.Sprintf("0s x kafka %s, 6s x kafka good", c.set); j.String() != want {
				t.Errorf("%s did %s; want %s", kind, j, want)
			}
			want := Outcome{Components: []string{"x"}, How: "dialer", What: c.what, Effect: time.Second, Detected: -1, End: 7 * time.Second}
			if fmt.Sprint(out) != fmt.Sprint(want) {
				t.Errorf("%s: %+v, want %+v", kind, out, want)
			}
		})
	}
}

// TestNetworkFaultCutShort: the end of the run makes the network good as well.
func TestNetworkFaultCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		x := newWired(j, "x")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go x.seek(ctx, network.Kafka)
		out, err := Partition{"x", "kafka", time.Hour}.Inject(ctx, j.world(x))
		if err == nil || !strings.Contains(err.Error(), "cut short") || out.Effect != time.Second || out.End != 4*time.Second {
			t.Errorf("%+v, %v", out, err)
		}
		if want := "0s x kafka partition:true, 3s x kafka good"; j.String() != want {
			t.Errorf("did %s; want %s", j, want)
		}
	})
}

// TestNetworkFaultsWithoutEffect: one that reached nobody, or did nothing to whom it reached, is an error.
func TestNetworkFaultsWithoutEffect(t *testing.T) {
	for what, c := range map[string]struct {
		fault Fault
		make  func(*journal) []Target
		want  string
	}{
		"no answer":             {Drop{"x", "kafka", "", time.Second}, deafAndOther, "x: not within 10s"},
		"a server":              {Drop{"x", "kafka", "", time.Second}, serverAndOther, "broker is a server"},
		"no connection":         {Drop{"x", "postgres", "", time.Second}, justOther, "neither had nor sought a connection to postgres"},
		"nothing to reset":      {Reset{"x", "kafka"}, justOther, "had no connection to kafka"},
		"nobody":                {Reset{"x", "kafka"}, func(*journal) []Target { return nil }, "no target"},
		"conditions make sense": {Latency{"x", "kafka", "", 0, time.Second, time.Second}, justOther, "refused"},
	} {
		synctest.Test(t, func(t *testing.T) {
			j := newJournal()
			out, err := c.fault.Inject(t.Context(), j.world(c.make(j)...))
			if !errors.Is(err, ErrNoEffect) || !strings.Contains(err.Error(), c.want) || out.Effect >= 0 || out.What != "" {
				t.Errorf("%s: %+v, %v; want %q", what, out, err, c.want)
			}
			for _, x := range []string{"x", "other"} { // whoever was told is told the end
				if did := j.String(); strings.Contains(did, x+" kafka drop") && !strings.Contains(did, x+" kafka good") {
					t.Errorf("%s: did %s", what, did)
				}
			}
		})
	}
}

func justOther(j *journal) []Target { return []Target{newWired(j, "other")} }

func deafAndOther(j *journal) []Target {
	x := newWired(j, "x")
	x.deaf = true
	return append(justOther(j), x)
}

func serverAndOther(j *journal) []Target {
	return append(justOther(j), &container{journal: j, name: "broker"})
}

// TestNetworkFaultOfSome: those that have no such connection are named, and the fault counts for the others.
func TestNetworkFaultOfSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		x := newWired(j, "x")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go x.seek(ctx, network.Kafka)
		out, err := Drop{"all", "kafka", "", time.Second}.Inject(ctx, j.world(x, newWired(j, "batch")))
		if err != nil || out.What != "kafka: nothing passes, both ways; no connection of batch" || out.Effect != time.Second {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
