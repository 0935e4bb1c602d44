package network

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// served is a process whose commands are carried out here.
type served func(line []byte) []byte

func (s served) Tell(_ context.Context, line []byte) ([]byte, error) { return s(line), nil }

type silent struct{}

func (silent) Tell(context.Context, []byte) ([]byte, error) { return nil, errors.New("no answer") }

func TestTell(t *testing.T) {
	n := New()
	dial(t, n, listen(t, echo))
	want := Conditions{Direction: Out, Latency: time.Second, Jitter: time.Millisecond, KiBPerS: 5, Drop: true}
	if err := Tell(t.Context(), served(Serve(n)), Kafka, want); err != nil {
		t.Fatal(err)
	}
	f := n.side(Kafka).out
	if f == nil || f.latency != want.Latency || f.jitter != want.Jitter || f.bucket.perS != 5*1024 || !f.drop || n.side(Kafka).in != nil {
		t.Errorf("out of Kafka's side is %+v", f)
	}
	if n.side(Postgres).out != nil {
		t.Error("the other side changed too")
	}
	if err := Tell(t.Context(), served(Serve(n)), Kafka, Conditions{}); err != nil || n.side(Kafka).out != nil {
		t.Errorf("after the end: %+v, %v", n.side(Kafka).out, err)
	}
}

// TestUntouched: conditions that did nothing to anybody are told from those that did.
func TestUntouched(t *testing.T) {
	n := New()
	tell := func(c Conditions) bool {
		err := Tell(t.Context(), served(Serve(n)), Kafka, c)
		if err != nil && !errors.Is(err, ErrUntouched) {
			t.Fatal(err)
		}
		return err == nil
	}
	expect := func(what string, got, want bool) {
		if got != want {
			t.Errorf("%s: touched %v, want %v", what, got, want)
		}
	}
	expect("reset without connection", tell(Conditions{Reset: true}), false)
	expect("good to bad", tell(Conditions{Drop: true}), true) // not known yet
	expect("its end", tell(Conditions{}), false)
	expect("good to good", tell(Conditions{}), true)
	tell(Conditions{Drop: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Dialer(Kafka)(ctx, "tcp", "127.0.0.1:1"); err == nil {
		t.Fatal("connected while nothing passes")
	}
	expect("its end, after an attempt", tell(Conditions{}), true)
	conn := dial(t, n, listen(t, echo))
	tell(Conditions{Latency: time.Second})
	expect("its end, with a connection", tell(Conditions{}), true)
	expect("reset of a connection", tell(Conditions{Reset: true}), true)
	conn.Close()
	expect("reset after it", tell(Conditions{Reset: true}), false)
	tell(Conditions{Drop: true})
	expect("its end, with all connections closed before", tell(Conditions{}), false)
}

func TestTellFails(t *testing.T) {
	n := New()
	for what, test := range map[string]struct {
		p    Process
		to   string
		c    Conditions
		want string
	}{
		"unknown side":   {served(Serve(n)), "moon", Conditions{}, "kafka or postgres"},
		"bad conditions": {served(Serve(n)), Kafka, Conditions{Latency: -1}, "latency"},
		"no answer":      {silent{}, Kafka, Conditions{}, "no answer"},
		"not JSON":       {served(func([]byte) []byte { return []byte("?") }), Kafka, Conditions{}, `"?"`},
		"neither":        {served(func([]byte) []byte { return []byte("{}") }), Kafka, Conditions{}, "refused"},
	} {
		if err := Tell(t.Context(), test.p, test.to, test.c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", what, err, test.want)
		}
	}
}

func TestServeAnswersUnknownCommands(t *testing.T) {
	serve := Serve(New())
	for _, line := range []string{"", "{}", "hello", `{"disk":{}}`, `{"network":{"to":"kafka","conditions":{"gone":true}}}`} {
		if got := string(serve([]byte(line))); !strings.Contains(got, `{"error":"unknown command`) {
			t.Errorf("%q is answered with %s", line, got)
		}
	}
}
