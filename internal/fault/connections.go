package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// connectionsEvery is how often a freed place among the connections is taken again.
const connectionsEvery = 50 * time.Millisecond

// Connections opens sessions until PostgreSQL refuses one, and holds them for For: whoever connects is refused, whoever is
// connected goes on. Places that become free meanwhile are taken too. The places that PostgreSQL reserves for superusers are
// taken if the role is one, as everybody else's is then.
type Connections struct {
	For time.Duration
}

// Inject implements Fault. The effect is the first refusal, the end is when one is let in again.
func (c Connections) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("sql", "database")
	var held []*pgx.Conn
	refusals := 0
	err := c.fill(ctx, w, &held)
	if err == nil {
		refusals, out.Effect = 1, w.Now()
		for end := out.Effect + c.For; err == nil && w.Now() < end; {
			if err = hold(ctx, min(connectionsEvery, end-w.Now())); err == nil && c.fill(ctx, w, &held) == nil {
				refusals++
			}
		}
	} else {
		err = noEffect("%w", err)
	}
	out.What = fmt.Sprintf("%d sessions held, %d more refused", len(held), refusals)
	for _, conn := range held {
		leave(ctx, conn)
	}
	if len(held) > 0 {
		err = errors.Join(err, c.letIn(ctx, w))
	}
	out.End = w.Now()
	return out, err
}

// fill opens sessions until one is refused; nil says that one was.
func (c Connections) fill(ctx context.Context, w *World, held *[]*pgx.Conn) error {
	for {
		conn, err := w.session(ctx, true)
		if state(err) == tooManyConnections {
			return nil
		}
		if err != nil {
			return err
		}
		*held = append(*held, conn)
	}
}

// letIn waits until a session can be opened again: the server notices a closed connection a moment later.
func (c Connections) letIn(ctx context.Context, w *World) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	var last error
	err := await(ctx, sqlWithin, func() bool {
		var conn *pgx.Conn
		if conn, last = w.session(ctx, true); last == nil {
			leave(ctx, conn)
		}
		return last == nil
	})
	if err != nil {
		return fmt.Errorf("after the sessions were closed none can be opened: %w (%w)", err, last)
	}
	return nil
}
