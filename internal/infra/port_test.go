package infra

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnFreePort(t *testing.T) {
	t.Run("taken meanwhile", func(t *testing.T) {
		var tried []int
		port, err := OnFreePort(func(port int) (int, error) {
			tried = append(tried, port)
			if len(tried) < 3 { // somebody else was faster
				l, err := net.Listen("tcp4", address(port))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				return 0, errors.New("address in use")
			}
			return port, nil
		})
		if err != nil || len(tried) != 3 || port != tried[2] {
			t.Errorf("got port %d after %v, %v", port, tried, err)
		}
		for _, p := range tried {
			if p < firstPort || p > lastPort {
				t.Errorf("port %d is not between %d and %d", p, firstPort, lastPort)
			}
		}
	})
	t.Run("taken where this process cannot see it", func(t *testing.T) {
		calls := 0
		_, err := OnFreePort(func(int) (int, error) {
			calls++
			if calls == 1 {
				return 0, fmt.Errorf("bind: %w", ErrPortTaken)
			}
			return 0, nil
		})
		if calls != 2 || err != nil {
			t.Errorf("%d calls, %v; want a second one that succeeds", calls, err)
		}
	})
	t.Run("taken for a moment", func(t *testing.T) {
		calls := 0
		_, err := OnFreePort(func(int) (int, error) {
			calls++
			if calls == 1 {
				return 0, errors.New("it ended; the end of its log: could not bind IPv4 address: Address already in use")
			}
			return 0, nil
		})
		if calls != 2 || err != nil {
			t.Errorf("%d calls, %v; want a second one that succeeds", calls, err)
		}
	})
	t.Run("another error", func(t *testing.T) {
		calls := 0
		_, err := OnFreePort(func(int) (int, error) { calls++; return 0, errors.New("disk full") })
		if calls != 1 || err == nil || err.Error() != "disk full" {
			t.Errorf("%d calls, %v; want one and its error", calls, err)
		}
	})
}

func TestReachable(t *testing.T) {
	open := emptyCache(t)
	closed := filepath.Join(open, "closed")
	inside := filepath.Join(closed, "inside")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := reachable(inside); err != nil {
		t.Errorf("an open directory: %v", err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := reachable(inside); err == nil || !strings.Contains(err.Error(), "chmod o+x "+closed) {
		t.Errorf("got %v, want an error that says which directory to open", err)
	}
}

func TestConfiguration(t *testing.T) {
	got := configuration([]Setting{{"a", "it's", "because"}, {"b", "", "none"}})
	if want := "a = 'it''s' # because\nb = '' # none\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, s := range databaseSettings(1) {
		if s.Why == "" {
			t.Errorf("setting %s has no reason", s.Name)
		}
	}
}
