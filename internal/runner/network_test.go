package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/architectures"
	"lkbench/internal/network"
	"lkbench/internal/proc"
)

// wired is a component that writes down the conditions it starts with and those it is told, and ends with its life line.
func wired() {
	ctx, err := proc.LifelineServing(context.Background(), os.Stdin, func(input []byte) (func([]byte) []byte, error) {
		var env architectures.Environment
		answer, err := env.Begin(input)
		fmt.Printf("starts with %v\n", env.Conditions)
		return func(command []byte) []byte {
			var told struct {
				Network struct{ Conditions network.Conditions }
			}
			err = json.Unmarshal(command, &told)
			fmt.Printf("told %v\n", told.Network.Conditions)
			return answer(command)
		}, err
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	<-ctx.Done()
	os.Exit(0)
}

// TestNetworkOfLaterProcesses: a process that starts while the conditions last has them from its first connection on, and one
// that starts afterwards does not, nor does any get a reset that is over.
func TestNetworkOfLaterProcesses(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	logs := t.TempDir()
	s, err := supervise(executable, shape{{Name: "wired"}}, architectures.Environment{}, logs,
		func(*proc.Process) error { return nil }, func() time.Duration { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	defer s.shutdown(context.Background())
	m := member{s, "wired"}
	lines := func() []string {
		text, err := os.ReadFile(logs + "/wired.log")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	set := func(c network.Conditions) {
		// The component opens no connection, which is not what is tested here.
		if err := m.Network(t.Context(), network.Kafka, c); err != nil && !errors.Is(err, network.ErrUntouched) {
			t.Fatal(err)
		}
	}
	again := func() { // how the next process starts
		s.mu.Lock()
		before := s.slots["wired"].process
		s.mu.Unlock()
		if err := before.Kill(); err != nil {
			t.Fatal(err)
		}
		<-before.Done()
		starts := func() int {
			return len(slices.DeleteFunc(lines(), func(l string) bool { return !strings.HasPrefix(l, "starts") }))
		}
		n := starts()
		for starts() == n {
			time.Sleep(time.Millisecond)
		}
	}
	set(network.Conditions{Partition: true})
	again()
	set(network.Conditions{})
	set(network.Conditions{Reset: true})
	again()
	set(network.Conditions{})

	bad, reset, good := network.Conditions{Partition: true}, network.Conditions{Reset: true}, network.Conditions{}
	starts := func(c map[string]network.Conditions) string { return fmt.Sprintf("starts with %v", c) }
	told := func(c network.Conditions) string { return fmt.Sprintf("told %v", c) }
	want := []string{
		starts(nil), told(bad), starts(map[string]network.Conditions{network.Kafka: bad}),
		told(good), told(reset), starts(nil), told(good),
	}
	if got := lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
