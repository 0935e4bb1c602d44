package oracle

import "lkbench/results"

// The kinds of a results.Difference.
const (
	kindMissing    = "missing"
	kindDuplicate  = "duplicate"
	kindWrong      = "wrong"
	kindUnexpected = "unexpected"
)

// maxDifferences is how many differing rows a judgement lists.
const maxDifferences = 20

// differences keeps the first of every view and kind.
type differences struct {
	groups []*differenceGroup // in the order in which they came up
}

type differenceGroup struct {
	view, kind string
	rows       []results.Difference
}

// add keeps the difference unless there are enough of its view and kind; only then is it described.
func (d *differences) add(view, kind string, describe func() (key, expected, observed string)) {
	var group *differenceGroup
	for _, g := range d.groups {
		if g.view == view && g.kind == kind {
			group = g
		}
	}
	if group == nil {
		group = &differenceGroup{view: view, kind: kind}
		d.groups = append(d.groups, group)
	}
	if len(group.rows) == maxDifferences {
		return
	}
	key, expected, observed := describe()
	group.rows = append(group.rows, results.Difference{View: view, Kind: kind, Key: key, Expected: expected, Observed: observed})
}

// merge appends the groups of other; those of the same view and kind are put together.
func (d *differences) merge(other differences) {
	for _, g := range other.groups {
		for _, row := range g.rows {
			d.add(g.view, g.kind, func() (key, expected, observed string) { return row.Key, row.Expected, row.Observed })
		}
	}
}

// first takes differences in turn from every group, so that no view or kind hides another.
func (d *differences) first() []results.Difference {
	var out []results.Difference
	for i := range maxDifferences {
		for _, g := range d.groups {
			if i < len(g.rows) && len(out) < maxDifferences {
				out = append(out, g.rows[i])
			}
		}
	}
	return out
}
