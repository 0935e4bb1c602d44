package native

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// tellAlerts notes in generation_alerts which rows of a table of anomalies, the batch view or what is staged for it, neither
// the former batch view nor the realtime view has: speed has not come to them, and it is this generation that shows them. A
// change of rules tells none, as its alerts are corrections of history.
func tellAlerts(ctx context.Context, tx pgx.Tx, p plan, from string) error {
	if p.corrects {
		return nil
	}
	former := ""
	if p.published > 0 {
		former = `and not exists (select from batch_anomalies b where b.transaction_id = a.transaction_id and b.rule = a.rule)`
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`insert into generation_alerts (transaction_id, rule, generation)
		select transaction_id, rule, $1 from %s a
		where not exists (
			select from rt_anomalies r where r.transaction_id = a.transaction_id and r.rule = a.rule and r.epoch >= $2
		) %s
		on conflict do nothing`, from, former), p.generation, p.published)
	if err != nil {
		return fmt.Errorf("note the alerts of generation %d: %w", p.generation, err)
	}
	return nil
}

// tellUnsettled notes the velocity alerts that the view decides to show now, because generation has taken repetitions out of
// their window. Those that a commit of speed makes it show are noted by that commit.
func tellUnsettled(ctx context.Context, tx pgx.Tx, generation int64) error {
	const tell = `insert into generation_alerts (transaction_id, rule, generation)
		select transaction_id, 'velocity', $1 from unsettled_velocity on conflict do nothing`
	if _, err := tx.Exec(ctx, tell, generation); err != nil {
		return fmt.Errorf("note the velocity alerts of unsettled events: %w", err)
	}
	return nil
}
