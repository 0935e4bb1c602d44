package archtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/kafka"
	"lkbench/internal/oracle"
)

// grace is how long the former answers are kept after a switch.
const grace = 100 * time.Millisecond

// latest is how long after the switch a process on demand may be promoted.
const latest = 400 * time.Millisecond

// changed gives rules under which every kind of answer differs.
func changed(r bank.Rules) bank.Rules {
	r.RelativePercent, r.AbsolutePaise, r.VelocityCount = r.RelativePercent/2, r.AbsolutePaise/3, r.VelocityCount+1
	r.PremiumPaise, r.FrequentCount = r.PremiumPaise/10, r.FrequentCount*2
	return r
}

// correct has history processed again somewhere in the middle of the load, or at once under a backlog.
func (tr *trial) correct() error {
	watching, cease := context.WithCancel(tr.ctx)
	watched := make(chan error, 1)
	go func() { watched <- tr.watch(watching) }()
	err := tr.corrections()
	cease()
	return errors.Join(err, <-watched)
}

func (tr *trial) corrections() error {
	if !tr.backlog {
		if err := tr.sleep(tr.length/5 + time.Duration(tr.chance.Int64N(int64(tr.length)/2))); err != nil {
			return err
		}
	}
	if tr.twice {
		if _, err := tr.correction(tr.env.Rules); err != nil {
			return err
		}
	}
	change, err := tr.correction(changed(tr.env.Rules))
	tr.change = change
	return err
}

// correction asks for history to be processed again and waits until the former answers are gone.
func (tr *trial) correction(rules bank.Rules) (*oracle.Change, error) {
	system := tr.system.(architectures.Reprocessor)
	before, err := system.Progress(tr.ctx)
	if err != nil {
		return nil, err
	}
	change := &oracle.Change{Rules: rules, From: time.Since(tr.origin)}
	if err := system.Reprocess(tr.ctx, rules, grace); err != nil {
		return nil, err
	}
	if system.Reprocess(tr.ctx, rules, grace) == nil {
		return nil, errors.New("a second request was taken while the first is under way")
	}
	components := map[string]architectures.Component{}
	for _, c := range tr.arch.Components() {
		components[c.Name] = c
		if !c.OnDemand {
			continue
		}
		p, err := tr.keeper.start(c.Name)
		if err != nil {
			return nil, err
		}
		tr.keeper.keep(c, p)
	}
	if _, err := tr.corrected("the new answers are served", func(r *architectures.Reprocessing) bool { return r.SwitchedAt != nil }); err != nil {
		return nil, err
	}
	change.To, change.Switched = time.Since(tr.origin), true
	if tr.late {
		if err := tr.sleep(time.Duration(tr.chance.Int64N(int64(latest)))); err != nil {
			return nil, err
		}
	}
	for _, c := range components {
		if c.Becomes != "" {
			tr.keeper.promote(c, components[c.Becomes])
		}
	}
	r, err := tr.corrected("the former answers are gone", func(r *architectures.Reprocessing) bool { return r.DoneAt != nil })
	if err != nil {
		return nil, err
	}
	if r.StartedAt == nil || r.StartedAt.Before(r.RequestedAt) || r.SwitchedAt.Before(*r.StartedAt) || r.DoneAt.Before(r.SwitchedAt.Add(grace)) ||
		r.Attempts < 1 || tr.disturb == nil && r.Attempts != 1 || r.Events == 0 && begun(before) {
		return nil, misreported(*r)
	}
	return change, nil
}

// begun says that there is history: an architecture that had come to no record yet has nothing to process again.
func begun(p architectures.Progress) bool {
	return slices.ContainsFunc(p.Positions, func(p architectures.Position) bool { return p.Next > 0 })
}

// misreported is an account of a reprocessing that cannot be true.
type misreported architectures.Reprocessing

func (m misreported) Error() string {
	return fmt.Sprintf("the account of the reprocessing cannot be: %+v", architectures.Reprocessing(m))
}

// corrected waits until the last request has come as far as wanted.
func (tr *trial) corrected(what string, wanted func(*architectures.Reprocessing) bool) (*architectures.Reprocessing, error) {
	for deadline := time.Now().Add(drainWithin); ; {
		r, err := tr.system.(architectures.Reprocessor).Reprocessing(tr.ctx)
		if err == nil && r != nil && wanted(r) {
			return r, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("waited %v until %s; it has come to %+v (%v)", drainWithin, what, r, err)
		}
		if err := tr.sleep(2 * time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// fellBack says that what is served went back in time.
type fellBack struct{ before, after int64 }

func (f fellBack) Error() string {
	return fmt.Sprintf("customer_windows had %d rows and then %d: what is served went back in time", f.before, f.after)
}

// watch looks at the served windows until ctx ends: whatever is switched to, none may be missing that was there before.
func (tr *trial) watch(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, tr.env.Postgres)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // there is nobody to tell
	most := int64(0)
	for {
		var windows int64
		if err := conn.QueryRow(ctx, "select count(*) from customer_windows").Scan(&windows); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("count the served windows: %w", err)
		}
		if windows < most {
			return fellBack{most, windows}
		}
		most = windows
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lettersOnce says so if more dead letters were produced than there are malformed records. After a crash there may be more.
func (tr *trial) lettersOnce(malformed int64) error {
	starts, ends, err := kafka.Offsets(tr.ctx, tr.env.Kafka, tr.env.DeadLetters)
	if err != nil {
		return err
	}
	letters := int64(0)
	for n := range tr.env.Partitions {
		start, _ := starts.Lookup(tr.env.DeadLetters, n)
		end, _ := ends.Lookup(tr.env.DeadLetters, n)
		letters += end.Offset - start.Offset
	}
	if letters != malformed {
		return fmt.Errorf("%d dead letters of %d malformed records, though nothing was disturbed", letters, malformed)
	}
	return nil
}
