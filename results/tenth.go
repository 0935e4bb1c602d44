package results

// TenthsFile is the timeline of a run with faults or a reprocess, one row every 100 ms.
const TenthsFile = "timeline-100ms.csv"

// Tenth is one row of TenthsFile: what happened in 100 ms of the run. Counts are of that time alone. A nil field was not
// measured: a question that was not answered leaves a gap, never a zero.
type Tenth struct {
	AtMS       int64    // since the first intended send, where the row begins
	Offered    *int64   // events the schedule intended
	Acked      *int64   // events acknowledged
	Processed  *int64   // events every component has durably processed
	Lag        *int64   // events acknowledged and not yet processed by every component, at the end
	Alerts     *int64   // alerts that became visible
	AlertMaxMS *float64 // the longest of their latencies
	AlertP99MS *float64 // over the second that ends with this row; null where it holds fewer than ten alerts
}
