package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// endsWithin bounds how long processes may take to be gone after their guard has to end them. Without load it is two seconds.
const endsWithin = 30 * time.Second

// remains is what exists of a provider's work.
type remains struct {
	processes []proc.Identity // below this one
	outside   []string        // what Case.Left tells
}

func (e *examination) remains(ctx context.Context, dir string) (remains, error) {
	processes, err := proc.Descendants(os.Getpid())
	if err != nil || e.Left == nil {
		return remains{processes: processes}, err
	}
	outside, err := e.Left(ctx, dir)
	if err != nil {
		return remains{}, fmt.Errorf("look at what the provider has made: %w", err)
	}
	return remains{processes, outside}, nil
}

// nothingSince says what is there that was not before, and which of some processes still live.
func (e *examination) nothingSince(ctx context.Context, before remains, dir string, processes []proc.Identity) error {
	now, err := e.remains(ctx, dir)
	if err != nil {
		return err
	}
	// A server that a test runs for itself, for the provider to use, has children that come and go.
	theirs := before.processes
	for _, id := range before.processes {
		below, err := proc.Descendants(id.PID)
		if err != nil {
			return err
		}
		theirs = append(theirs[:len(theirs):len(theirs)], below...)
	}
	var errs []error
	for _, id := range slices.Compact(append(now.processes, processes...)) {
		if !slices.Contains(theirs, id) && id.Alive() {
			errs = append(errs, fmt.Errorf("a process still lives: %s", command(id.PID)))
		}
	}
	for _, what := range now.outside {
		if !slices.Contains(before.outside, what) {
			errs = append(errs, fmt.Errorf("still there: %s", what))
		}
	}
	return errors.Join(errs...)
}

// command describes a process, for messages.
func command(pid int) string {
	out, err := exec.Command("ps", "-o", "pid=,ppid=,stat=,args=", "-p", fmt.Sprint(pid)).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%d", pid)
	}
	return strings.TrimSpace(string(out))
}

// endsClean stops the instance: afterwards nothing of it is there, and nobody answers on its addresses.
func endsClean(ctx context.Context, r *running) error {
	during, err := r.remains(ctx, r.workspace.Dir)
	if err != nil {
		return err
	}
	if err := r.Stop(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	errs := []error{r.nothingSince(ctx, r.before, r.workspace.Dir, during.processes)}
	for _, s := range r.Servers() {
		errs = append(errs, silent(ctx, s))
		select {
		case <-s.Done():
		default:
			errs = append(errs, fmt.Errorf("after the stop the %s is not done", s.Role))
		}
	}
	if err := r.workspace.Close(); err != nil {
		errs = append(errs, err)
	}
	if _, err := os.Stat(r.workspace.Dir); !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, fmt.Errorf("the workspace %s is still there (%v)", r.workspace.Dir, err))
	}
	return errors.Join(errs...)
}

// silent says so if a server answers on its address.
func silent(ctx context.Context, s *infra.Server) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil
	}
	conn.Close()
	return fmt.Errorf("the %s was ended, but somebody answers on %s", s.Role, s.Address)
}

// givenUp ends the context of a start before it begins, and at several moments of the time that a start takes: afterwards
// nothing is left. A moment may come too late; then the instance is stopped, and the next is earlier.
func (e *examination) givenUp(ctx context.Context, took time.Duration) error {
	for _, part := range []float64{0, 0.2, 0.5, 0.8} {
		w, err := infra.NewWorkspace(ctx)
		if err != nil {
			return err
		}
		before, err := e.remains(ctx, w.Dir)
		if err != nil {
			return errors.Join(err, w.Close())
		}
		at := time.Duration(part * float64(took)).Round(time.Millisecond)
		starting, cancel := context.WithTimeoutCause(ctx, at, errors.New("given up"))
		began := time.Now()
		i, failed := e.begin(starting, w)
		cancel()
		if failed == nil {
			e.say("it was ready after %v, before its context ended after %v", time.Since(began).Round(time.Millisecond), at)
			took = min(took, time.Since(began))
			err = i.Stop(ctx)
			if part == 0 {
				err = errors.Join(err, errors.New("it started although its context had ended"))
			}
		}
		err = errors.Join(err, e.nothingSince(ctx, before, w.Dir, nil), w.Close())
		if err != nil {
			return fmt.Errorf("a start given up after %v (%v): %w", at, failed, err)
		}
	}
	return nil
}

// twoAtOnce starts a second instance beside the first: they share neither addresses nor contents, and the end of the second
// does not touch the first.
func twoAtOnce(ctx context.Context, r *running) error {
	if err := r.roundTrip(ctx, "both"); err != nil {
		return err
	}
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		return err
	}
	other, err := r.start(w)
	if err != nil {
		return errors.Join(fmt.Errorf("beside another: %w", err), w.Close())
	}
	errs := []error{}
	seen := map[string]string{}
	for name, one := range map[string]*running{"first": r, "second": other} {
		for _, s := range one.Servers() {
			if before, taken := seen[s.Address]; taken {
				errs = append(errs, fmt.Errorf("the %s of the %s instance and the %s share the address %s", s.Role, name, before, s.Address))
			}
			seen[s.Address] = s.Role + " of the " + name
		}
	}
	if r.Postgres == other.Postgres {
		errs = append(errs, errors.New("both instances have the same database"))
	}
	if len(r.Servers()) == 0 && r.Prefix == other.Prefix {
		errs = append(errs, fmt.Errorf("both instances use the prefix %q on the same servers", r.Prefix))
	}
	errs = append(errs, other.roundTrip(ctx, "both"), endsClean(ctx, other)) // the same names in both
	if err := r.roundTrip(ctx, "alone"); err != nil {
		errs = append(errs, fmt.Errorf("after the end of the second instance, on the first: %w", err))
	}
	return errors.Join(errs...)
}
