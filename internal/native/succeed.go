package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Succession is how a component that has processed everything again takes the place of another.
type Succession struct {
	Of string // the component whose place is taken
	// Switch makes the new results the ones that are served, in the transaction in which the rows of table offsets change
	// hands. It gets locks soon or not at all: then it is called again. Before, it is tried and rolled back.
	Switch func(ctx context.Context, tx pgx.Tx) error
}

const (
	// A round that took no longer than this leaves so little behind that the other component can be stopped for the next one.
	nearly = 250 * time.Millisecond
	// lockWithin bounds how long the switch waits for what is locked by readers, and has others wait behind it.
	lockWithin = "200ms"
	// readerPause is how long it lets them be then.
	readerPause = 100 * time.Millisecond
	// standStill is how long it keeps locks that it has, should its process stand still just then.
	standStill = "1s"
)

// errOvertaken says that the component to succeed was started again and goes on by itself.
var errOvertaken = errors.New("the component to succeed goes on")

// lockNotAvailable is PostgreSQL's code for a lock that was not had in time.
const lockNotAvailable = "55P03"

// Succeed does what Run does, with rows of its own in table offsets, until it has come to where the other component is; then
// it takes that one's place and goes on as it. Until then it commits nothing that the other has not committed, and
// leaves the dead letters to it.
//
// It comes nearer in rounds: each goes to where the other was when it began. Before the last one it takes the other's rows over, so
// that the other can commit no more and its offsets are final, and after it both have processed exactly the same. The switch then
// is one transaction. If the process ends in between, the other one is started again and takes its rows back; so it does if
// it is started again too early, and then the rounds begin anew.
func Succeed(ctx context.Context, config Config, to Succession) error {
	err := succeed(ctx, config, to)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func succeed(ctx context.Context, config Config, to Succession) error {
	committer, rows, err := open(ctx, config)
	if err != nil {
		return err
	}
	defer committer.close()
	intake := newIntake(committer.config, usual, rows)
	intake.silent = true
	for {
		err := rounds(ctx, committer, intake, to)
		if err == nil {
			break
		}
		if !errors.Is(err, errOvertaken) && !isServer(err, lockNotAvailable) {
			return err
		}
		slog.Info("the switch is tried again", "after", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readerPause):
		}
	}
	slog.Info("switched", "component", to.Of)
	committer.config.Component = to.Of
	committer.address.RuntimeParams["application_name"] = sessionName(to.Of)
	intake.silent = false
	intake.bound(nil)
	defer beside(ctx, config.Beside)()
	return pump(ctx, committer, intake)
}

// rounds comes as near to the other component as it can and switches.
func rounds(ctx context.Context, c *committer, in *intake, to Succession) error {
	for {
		var until []int64
		if err := c.insist(ctx, func(conn *pgx.Conn) (err error) {
			until, err = c.standing(ctx, conn, to.Of)
			return err
		}); err != nil {
			return err
		}
		began := time.Now()
		if err := c.round(ctx, in, until); err != nil {
			return err
		}
		if time.Since(began) <= nearly {
			break
		}
	}
	// Whoever reads what is to be replaced may keep it for long: then the other component is better left in peace.
	if err := c.insist(ctx, func(conn *pgx.Conn) error { return c.rehearse(ctx, conn, to) }); err != nil {
		return err
	}
	var final []row
	if err := c.insist(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			final, err = c.takeOver(ctx, tx, to.Of)
			return err
		})
	}); err != nil {
		return err
	}
	until := make([]int64, len(final))
	for n, r := range final {
		until[n] = r.next
	}
	if err := c.round(ctx, in, until); err != nil {
		return err
	}
	for {
		err := c.insist(ctx, func(conn *pgx.Conn) error { return c.switchOver(ctx, conn, to) })
		if !isServer(err, lockNotAvailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readerPause):
		}
	}
}

// round goes on to the given offsets.
func (c *committer) round(ctx context.Context, in *intake, until []int64) error {
	in.bound(until)
	return pump(ctx, c, in)
}

// standing reads how far a component has come, by partition. It is nowhere while it has no rows.
func (c *committer) standing(ctx context.Context, conn *pgx.Conn, component string) ([]int64, error) {
	next := make([]int64, c.config.Environment.Partitions)
	found, err := conn.Query(ctx, `select partition, next_offset from offsets where component = $1`, component)
	if err != nil {
		return nil, err
	}
	var partition int32
	var offset int64
	_, err = pgx.ForEachRow(found, []any{&partition, &offset}, func() error {
		next[partition] = offset
		return nil
	})
	return next, err
}

const briefly = "set local lock_timeout = '" + lockWithin + "'; set local idle_in_transaction_session_timeout = '" + standStill + "'"

// rehearse finds out whether the switch would get its locks now.
func (c *committer) rehearse(ctx context.Context, conn *pgx.Conn, to Succession) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err = tx.Exec(ctx, briefly); err == nil {
		err = to.Switch(ctx, tx)
	}
	return errors.Join(err, tx.Rollback(ctx))
}

// standings compares a component's rows with those of the one it is to succeed.
const standings = `
select count(*) filter (where mine.component = $1 and theirs.next_offset = mine.next_offset and theirs.owner = $3 and mine.owner = $3),
  count(*) filter (where mine.component = $1), count(*) filter (where theirs.owner = $3)
from (select * from offsets where component = $2 order by partition for update) theirs
left join (select * from offsets where component = $1 order by partition for update) mine using (partition)`

// switchOver makes the rows of this component those of the other. It may be repeated after a lost connection.
func (c *committer) switchOver(ctx context.Context, conn *pgx.Conn, to Succession) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, briefly); err != nil {
			return err
		}
		var same, mine, taken int32
		if err := tx.QueryRow(ctx, standings, c.config.Component, to.Of, c.owner).Scan(&same, &mine, &taken); err != nil {
			return err
		}
		switch all := c.config.Environment.Partitions; {
		case mine == 0 && taken == all:
			return nil // an earlier try had succeeded, only its answer was lost
		case mine == 0:
			return fmt.Errorf("no row of %s is left: %w", c.config.Component, ErrReplaced)
		case taken != all:
			return errOvertaken
		case same != all:
			return fmt.Errorf("%d of %d partitions are where %s is: %w", same, all, to.Of, ErrReplaced)
		}
		if err := to.Switch(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from offsets where component = $1`, to.Of)
		if err == nil {
			_, err = tx.Exec(ctx, `update offsets set component = $2 where component = $1`, c.config.Component, to.Of)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `select set_config('application_name', $1, false)`, sessionName(to.Of))
		}
		return err
	})
}

func isServer(err error, code string) bool {
	server := (*pgconn.PgError)(nil)
	return errors.As(err, &server) && server.Code == code
}
