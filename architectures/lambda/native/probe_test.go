package native

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProbesUseIndexes holds the plans of the probe queries: each finds its customer by index in the batch view and in
// the realtime view, whatever the sizes and whatever the planner knows. Only the single row of serving is read whole.
func TestProbesUseIndexes(t *testing.T) {
	w := newWorld(t)
	w.exec(t, `set plan_cache_mode = force_generic_plan;
		prepare profiles(text) as select * from customer_profiles where customer_id = $1;
		prepare windows(text, timestamptz) as select * from customer_windows where customer_id = $1 and window_start = $2;
		prepare histories(text) as select * from customer_windows where customer_id = $1;
		prepare alerts(text) as select * from anomalies where transaction_id = $1`)
	fill := func(from, n int) {
		for table, columns := range map[string]string{
			"rt_windows":          "2, 'C' || n % 5000, to_timestamp(n / 5000 * 300), 1, 1, null",
			"batch_windows":       "'C' || n % 5000, to_timestamp(n / 5000 * 300), 1, 1, null",
			"rt_profile_parts":    "2, 'C' || n % 5000, 'L' || n / 5000, 1, 1, null, 'epoch'",
			"batch_profile_parts": "'C' || n % 5000, 'L' || n / 5000, 1, 1, null, 'epoch'",
			"rt_anomalies":        "2, 'R' || n, 'velocity', 'C' || n % 5000, 'epoch', 1, null, null",
			"batch_anomalies":     "'T' || n, 'velocity', 'C' || n % 5000, 'epoch', 1, null, null",
			"rt_unsettled":        "2, 'C' || n % 5000, 'epoch', n, 'T' || n, 'epoch', 1, null",
		} {
			w.exec(t, "insert into "+table+" select "+columns+" from generate_series($1::int, $1 + $2 - 1) n", from, n)
		}
	}
	check := func(state string) {
		t.Helper()
		for probe, tables := range map[string][]string{
			"profiles('C7')":         {"batch_profile_parts", "rt_profile_parts"},
			"windows('C7', 'epoch')": {"batch_windows", "rt_windows"},
			"histories('C7')":        {"batch_windows", "rt_windows"},
			"alerts('T7')":           {"batch_anomalies", "rt_anomalies"},
		} {
			plan := strings.Join(w.dump(t, "explain execute "+probe), "\n")
			for _, table := range tables {
				if whole := regexp.MustCompile(`Seq Scan on ` + table); whole.MatchString(plan) || !strings.Contains(plan, " on "+table) {
					t.Errorf("%s: %s does not look %s up by index:\n%s", state, probe, table, plan)
				}
			}
		}
	}
	check("after Deploy")
	fill(0, 1000)
	check("a thousand rows")
	fill(1000, 60_000)
	check("many rows")
	w.exec(t, `analyze`)
	check("many rows, analysed")
	if err := clean(t.Context(), w.conn, 3); err != nil {
		t.Fatal(err)
	}
	w.exec(t, `analyze`)
	check("realtime views emptied")
	fill(100_000, 60_000)
	check("and filled again")

	// The check itself sees a table that is read whole.
	w.exec(t, `alter table batch_windows drop constraint batch_windows_pkey`)
	if plan := w.dump(t, "explain execute histories('C7')"); !slices.ContainsFunc(plan, func(line string) bool {
		return strings.Contains(line, "Seq Scan on batch_windows")
	}) {
		t.Errorf("without its key batch_windows must be read whole:\n%s", strings.Join(plan, "\n"))
	}
}
