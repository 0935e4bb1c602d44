package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
)

// The modes of publishing.
const (
	modeChanges = "changes" // only what rows above the last cut have touched; the rest is as it was
	modeFull    = "full"    // everything, and rows that are not in the result are deleted
)

// view is a batch view: its table, the columns of its key, the other columns, and its rows in the order of the key.
type view struct {
	table, key, rest string
	rows             func(*selection) *copyReader
}

func batchViews() []view {
	return []view{
		{"batch_anomalies", "transaction_id, rule", "customer_id, event_time, amount_paise, balance_paise, window_start", (*selection).anomalies},
		{"batch_windows", "customer_id, window_start", "transactions, amount_paise, max_balance_paise", (*selection).windows},
		{"batch_profile_parts", "customer_id, location", "transactions, amount_paise, max_balance_paise, last_event_time", (*selection).parts},
	}
}

func (v view) staged() string { return "staged_" + v.table }

// merge brings the staged rows in and leaves alone those that are there already. If all rows were staged, most are: to leave
// them out before costs a third of looking for each key, and does not lock the rows.
func (v view) merge(all bool) string {
	set := strings.Split(v.rest, ", ")
	for i, column := range set {
		set[i] = column + " = excluded." + column
	}
	changed := ""
	if all {
		changed = fmt.Sprintf(`where not exists (select from %s o where (%s) = (%s) and (%s) is not distinct from (%s))`,
			v.table, qualify("o", v.key), qualify("s", v.key), qualify("o", v.rest), qualify("s", v.rest))
	}
	return fmt.Sprintf(`insert into %s as b select * from %s s %s on conflict (%s) do update set %s where (%s) is distinct from (%s)`,
		v.table, v.staged(), changed, v.key, strings.Join(set, ", "), qualify("b", v.rest), qualify("excluded", v.rest))
}

// prune deletes the rows that were not staged.
func (v view) prune() string {
	return fmt.Sprintf(`delete from %s b where not exists (select from %s s where (%s) = (%s))`,
		v.table, v.staged(), qualify("s", v.key), qualify("b", v.key))
}

// qualify puts a table's name before each of the columns.
func qualify(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// copyIn encodes and sends rows until r ends; it returns how many the server took.
func copyIn(ctx context.Context, conn *pgx.Conn, table string, r *copyReader) (int64, error) {
	tag, err := conn.PgConn().CopyFrom(ctx, r, "copy "+table+" from stdin (format binary)")
	if err != nil {
		return 0, fmt.Errorf("copy into %s: %w", table, err)
	}
	return tag.RowsAffected(), nil
}

// stage copies a selection into temporary tables, which go with the connection. That is outside of the publishing
// transaction and outside of the write-ahead log.
func stage(ctx context.Context, conn *pgx.Conn, s *selection) error {
	for _, v := range batchViews() {
		if _, err := conn.Exec(ctx, fmt.Sprintf(`create temporary table %s (like %s)`, v.staged(), v.table)); err != nil {
			return fmt.Errorf("stage: %w", err)
		}
		if _, err := copyIn(ctx, conn, v.staged(), v.rows(s)); err != nil {
			return err
		}
		if !s.all {
			continue
		}
		// For the plan of the statement that compares the two tables.
		if _, err := conn.Exec(ctx, `analyze `+v.staged()); err != nil {
			return fmt.Errorf("stage: %w", err)
		}
	}
	return nil
}

// errOvertaken says that another batch process has published this generation.
var errOvertaken = errors.New("another batch has published this generation")

// publish makes a generation the one that is served, by the thresholds of its rules, in one transaction. The rows of s were
// staged before, except for the first generation: into empty tables they are copied at once. It completes m, whose PublishS
// counts from the call.
func publish(ctx context.Context, conn *pgx.Conn, p plan, m *architectures.Batch, s *selection, covered tally) error {
	started := time.Now()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update serving set generation = $2, velocity_count = $3, premium_paise = $4, frequent_count = $5
			where generation = $1`, p.published, p.generation, p.rules.VelocityCount, int64(p.rules.PremiumPaise), p.rules.FrequentCount)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errOvertaken
		}
		if err := tx.QueryRow(ctx, countRealtime, p.generation).Scan(&m.RealtimeRows); err != nil {
			return fmt.Errorf("count the realtime rows: %w", err)
		}
		if m.ChangedRows, err = write(ctx, tx, s, p); err != nil {
			return err
		}
		if err := tellUnsettled(ctx, tx, p.generation); err != nil {
			return err
		}
		// The commit itself is still to come; once it is known how long it took, it is measured again.
		m.PublishedAt, m.PublishS = time.Now(), time.Since(started).Seconds()
		if _, err := tx.Exec(ctx, `update changes set switched_at = $2, rows = $3 where generation = $1`, p.generation, m.PublishedAt, m.Rows); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into generations (generation, started_at, published_at, rows, fingerprint, realtime_rows,
				changed_rows, mode, wait_s, read_s, write_s, publish_s)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			m.Generation, m.StartedAt, m.PublishedAt, m.Rows, int64(covered.fingerprint), m.RealtimeRows, m.ChangedRows, m.Mode,
			m.WaitS, m.ReadS, m.WriteS, m.PublishS)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish generation %d: %w", m.Generation, err)
	}
	m.PublishedAt, m.PublishS = time.Now(), time.Since(started).Seconds()
	_, err = conn.Exec(ctx, `with c as (update changes set switched_at = $2 where generation = $1 and done_at is null)
		update generations set published_at = $2, publish_s = $3 where generation = $1`, m.Generation, m.PublishedAt, m.PublishS)
	return err
}

// write brings the rows of s into the batch views and returns how many rows that inserted, updated or deleted. It also notes
// the alerts that become visible by it.
func write(ctx context.Context, tx pgx.Tx, s *selection, p plan) (changed int64, err error) {
	if p.published > 0 {
		if err := tellAlerts(ctx, tx, p, "staged_batch_anomalies"); err != nil {
			return 0, err
		}
	}
	for _, v := range batchViews() {
		if p.published == 0 {
			n, err := copyIn(ctx, tx.Conn(), v.table, v.rows(s))
			if err != nil {
				return 0, err
			}
			changed += n
			continue
		}
		statements := []string{v.merge(s.all)}
		if s.all {
			statements = append(statements, v.prune())
		}
		for _, statement := range statements {
			tag, err := tx.Exec(ctx, statement)
			if err != nil {
				return 0, err
			}
			changed += tag.RowsAffected()
		}
	}
	if p.published == 0 {
		return changed, tellAlerts(ctx, tx, p, "batch_anomalies")
	}
	return changed, nil
}

// realtimeViews are the tables that speed writes by epoch.
var realtimeViews = []string{"rt_anomalies", "rt_windows", "rt_profile_parts", "rt_unsettled"}

// countRealtime counts the rows that a generation takes over. It reads the tables once, as clean will soon after.
const countRealtime = `select (select count(*) from rt_anomalies where epoch < $1) + (select count(*) from rt_windows where epoch < $1) +
	(select count(*) from rt_profile_parts where epoch < $1) + (select count(*) from rt_unsettled where epoch < $1)`

const (
	// cleanPages is how many pages of a realtime table are cleaned by one statement, so that none takes long.
	cleanPages = 256
	// vacuumPages is the size from which a realtime table is vacuumed. Vacuum tells the planner the size, and a probe that
	// was planned for a handful of pages would read all of the table when it has grown.
	vacuumPages = 64
)

// clean deletes the realtime rows that generation covers. They are invisible already. Rows that speed holds are left
// for the next time, so that the two never wait for each other.
func clean(ctx context.Context, conn *pgx.Conn, generation int64) error {
	for _, table := range realtimeViews {
		var pages int64
		const size = `select pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint`
		if err := conn.QueryRow(ctx, size, table).Scan(&pages); err != nil {
			return fmt.Errorf("clean %s: %w", table, err)
		}
		for from := int64(0); from < pages; from += cleanPages {
			const remove = `delete from %[1]s where ctid = any(array(select ctid from %[1]s
				where ctid >= '(%[2]d,0)' and ctid < '(%[3]d,0)' and epoch < %[4]d for update skip locked))`
			if _, err := conn.Exec(ctx, fmt.Sprintf(remove, table, from, from+cleanPages, generation)); err != nil {
				return fmt.Errorf("clean %s: %w", table, err)
			}
		}
		if pages < vacuumPages {
			continue
		}
		// The next rows need the room now; autovacuum would come once a minute at best.
		if _, err := conn.Exec(ctx, `vacuum `+table); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
	}
	return nil
}
