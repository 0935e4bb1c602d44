package loadgen

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"lkbench/internal/bank"
	"lkbench/results"
	"lkbench/scenarios"
)

// The orders in which the rows of a file can be sent.
const (
	orderEventTime = "event_time"
	orderFile      = "file"
)

// CSV is a Source of the rows of a user's file. Turn n sends row n mod rows of the chosen order, under the TransactionID of n; the
// file's own ids are not used, since rows repeat when the run is longer than the file.
//
// Event time is the schedule's, as with synthetic events: it begins at the earliest row and advances events.speed times as
// fast as the wall clock, since windows of five minutes would otherwise never fill in a run: the public file spreads its rows over
// 55 days. The rows' own times decide their order. In the order event_time, the default, rows are sent sorted by them, equal ones
// as in the file. In the order file, rows are sent as they stand, and each gets the event time of its rank among the rows of the
// same pass: the stream then is exactly as disordered as the file, which is very much so (nearly all rows of the public file are late).
//
// A row that cannot be read is sent as a malformed event which names its line; without a time of its own, it ranks with the row above.
type CSV struct {
	turns    turns
	path     string
	order    string
	table    *table
	rows     uint64
	sequence []uint32 // the row of a place in the pass; nil: the same
	ranks    []uint32 // for the order file: the rank of a row by time
	lastPass []uint32 // the same among the rows of a last pass that the run does not finish
}

// OpenCSV reads the scenario's file into memory. It must have a header with the columns of the public dataset, in any order; a
// name counts without case, blanks and punctuation, and further columns are ignored.
func OpenCSV(s *scenarios.Scenario, schedule *Schedule) (*CSV, error) {
	file, err := os.Open(s.Events.File)
	if err != nil {
		return nil, fmt.Errorf("open the data of events.file: %w", err)
	}
	defer file.Close()
	table, err := readTable(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Events.File, err)
	}
	return newCSV(s, schedule, table)
}

func newCSV(s *scenarios.Scenario, schedule *Schedule, table *table) (*CSV, error) {
	order := s.Events.Order
	if order == "" {
		order = orderEventTime
	}
	if order != orderEventTime && order != orderFile {
		return nil, fmt.Errorf("events.order is %q, expected %s or %s", order, orderEventTime, orderFile)
	}
	if s.Events.Burst != nil {
		return nil, fmt.Errorf("events.burst is given with the source csv, whose rows stay what they are; leave it out, or use the source synthetic")
	}
	if s.Events.Repeats > 0 && order == orderFile {
		return nil, fmt.Errorf("events.repeats is given with the order file, where the event times of most rows lie beyond the horizon anyhow; leave it out, or use the order event_time")
	}
	rowsOnly := *s
	rowsOnly.Events.Boundary = 0 // the rows stay what they are
	turns, err := newTurns(&rowsOnly, schedule, table.first)
	if err != nil {
		return nil, err
	}
	c := &CSV{turns: turns, path: s.Events.File, order: order, table: table, rows: uint64(len(table.rows))}
	if order == orderEventTime {
		c.sequence = sequence(table.rows)
	} else {
		c.ranks, c.lastPass = ranks(table.rows), ranks(table.rows[:schedule.Len()%c.rows])
	}
	return c, nil
}

// sequence lists the rows by time.
func sequence(rows []row) []uint32 {
	list := make([]uint32, len(rows))
	for i := range list {
		list[i] = uint32(i)
	}
	slices.SortStableFunc(list, func(a, b uint32) int { return cmp.Compare(rows[a].time, rows[b].time) })
	return list
}

// ranks gives the place of every row in their sequence.
func ranks(rows []row) []uint32 {
	list := make([]uint32, len(rows))
	for place, i := range sequence(rows) {
		list[i] = uint32(place)
	}
	return list
}

// Event implements Source.
func (c *CSV) Event(n uint64, buf []byte) Event {
	this := c.turns.at(n)
	row, place := c.row(this.original)

	start := len(buf)
	buf = append(buf, c.table.text[row.start:row.start+uint64(row.key)]...)
	key := len(buf)
	buf = append(buf, `{"TransactionID":"`...)
	buf = AppendID(buf, this.original)
	buf = append(buf, '"')
	buf = append(buf, c.table.text[row.start+uint64(row.key):row.end]...)
	if row.bad {
		this.kind |= Malformed
	} else {
		buf = append(buf, `,"EventTime":"`...)
		buf = bank.AppendTime(buf, c.turns.eventTime(place, &this))
		buf = append(buf, `"}`...)
		if !row.complete {
			this.kind |= Missing
		}
		buf = this.spoil(buf, key)
	}
	return Event{Key: buf[start:key:key], Value: buf[key:], Kind: this.kind, Original: this.original}
}

// row finds the row of an event, and the place in the schedule whose event time it gets.
func (c *CSV) row(n uint64) (r *row, place uint64) {
	pass, i := n/c.rows, n%c.rows
	if c.sequence != nil {
		return &c.table.rows[c.sequence[i]], n
	}
	ranks := c.ranks
	if pass == c.turns.schedule.Len()/c.rows {
		ranks = c.lastPass
	}
	return &c.table.rows[i], pass*c.rows + uint64(ranks[i])
}

// Data describes the file, and how often it was begun again by a run that sent so many events.
func (c *CSV) Data(sent uint64) results.Data {
	d := results.Data{
		Path: c.path, SHA256: c.table.sha256, Rows: int64(c.rows), BadRows: c.table.bad, BadLines: c.table.badLines, OrderOfEvents: c.order,
	}
	if sent > 0 {
		d.Repeats = int64((sent - 1) / c.rows)
	}
	return d
}

// OpenSource opens the source that the scenario names: the synthetic generator or a CSV file.
func OpenSource(s *scenarios.Scenario, schedule *Schedule) (Source, error) {
	switch s.Events.Source {
	case "synthetic":
		return NewSynthetic(s, schedule)
	case "csv":
		return OpenCSV(s, schedule)
	}
	return nil, fmt.Errorf("events.source is %q, expected synthetic or csv", s.Events.Source)
}
