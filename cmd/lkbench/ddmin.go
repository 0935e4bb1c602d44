package main

import "slices"

// minimize finds a part of list that still fails and in which nothing can be left out: delta debugging, ddmin of Zeller and
// Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 28(2), 2002. The list itself is taken to fail. What is
// returned keeps the order; it is empty if nothing at all fails too. Every part is tried once. Beside an error stands the smallest
// failing part until then.
func minimize[T any](list []T, fails func(part []T) (bool, error)) ([]T, error) {
	indices := make([]int, len(list))
	for i := range indices {
		indices[i] = i
	}
	pick := func(part []int) []T {
		picked := make([]T, len(part))
		for i, at := range part {
			picked[i] = list[at]
		}
		return picked
	}
	tried := [][]int{}
	try := func(part []int) (bool, error) {
		if slices.ContainsFunc(tried, func(t []int) bool { return slices.Equal(t, part) }) {
			return false, nil // had it failed, the search would have gone on with it
		}
		tried = append(tried, part)
		return fails(pick(part))
	}
	if len(list) > 0 {
		if failed, err := try(nil); failed || err != nil {
			if err != nil {
				return list, err
			}
			return nil, nil
		}
	}
	pieces := 2
	for len(indices) > 1 {
		smaller, err := reduce(indices, pieces, try)
		if err != nil {
			return pick(indices), err
		}
		switch {
		case smaller == nil && pieces >= len(indices):
			return pick(indices), nil
		case smaller == nil:
			pieces = min(2*pieces, len(indices))
		case len(smaller) <= (len(indices)+pieces-1)/pieces: // a single piece
			indices, pieces = smaller, 2
		default:
			indices, pieces = smaller, max(pieces-1, 2)
		}
	}
	return pick(indices), nil
}

// reduce tries every one of so many pieces alone, then all but every one; nil if none of these fails.
func reduce(indices []int, pieces int, try func([]int) (bool, error)) ([]int, error) {
	var alone, rest [][]int
	for i := range pieces {
		from, to := i*len(indices)/pieces, (i+1)*len(indices)/pieces
		alone = append(alone, slices.Clone(indices[from:to]))
		rest = append(rest, slices.Concat(indices[:from], indices[to:]))
	}
	for _, part := range slices.Concat(alone, rest) {
		if failed, err := try(part); failed || err != nil {
			if err != nil {
				return nil, err
			}
			return part, nil
		}
	}
	return nil, nil
}
