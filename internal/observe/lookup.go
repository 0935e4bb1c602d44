package observe

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// alertTables are the tables that hold the alerts now.
func (f *Follower) alertTables() []string {
	f.tablesMu.Lock()
	defer f.tablesMu.Unlock()
	return f.tables
}

// Switch follows other tables: those that the alerts are served from since the architecture has switched its answers. New
// ones are followed from now on; what was inserted into them before is found by LookUp only. Former ones are followed as
// long as they exist.
func (f *Follower) Switch(ctx context.Context, tables []string) error {
	f.tablesMu.Lock()
	defer f.tablesMu.Unlock()
	var fresh []string
	for _, table := range tables {
		if !slices.Contains(f.tables, table) {
			fresh = append(fresh, table)
		}
	}
	if len(fresh) > 0 {
		if err := f.source.add(ctx, fresh); err != nil {
			return fmt.Errorf("follow the alert tables %v: %w", fresh, err)
		}
	}
	f.tables = tables
	return nil
}

// Unseen reads the served view of alerts, with the columns transaction_id and rule, and holds it against what was seen: it
// gives how many rows it has, and the event numbers of those that were never seen. A row that cannot be traced
// to an event counts as seen: the oracle judges it. It is asked after CatchUp, when nothing is inserted any more.
func (f *Follower) Unseen(ctx context.Context, view string) (served int64, unseen []uint64, err error) {
	err = f.withConn(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select transaction_id, rule from "+pgx.Identifier{view}.Sanitize())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			served++
			value := rows.RawValues()
			n, ok := f.cfg.ParseID(value[0])
			if rule := f.ruleIndex(value[1]); ok && rule >= 0 && n < f.cfg.Events && !f.has(n, uint8(rule)) {
				unseen = append(unseen, n)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return 0, nil, fmt.Errorf("look for alerts in %s: %w", view, err)
	}
	return served, unseen, nil
}

func (s *sightings) has(n uint64, rule uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.has(n, rule)
}
