package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// numbers are 0 to n-1.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestMinimizeFindsTheCause: a system that fails if and only if all of some faults are there, wherever they stand.
func TestMinimizeFindsTheCause(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		n := 1 + random.IntN(20)
		cause := random.Perm(n)[:1+random.IntN(min(n, 4))]
		slices.Sort(cause)
		tries := 0
		got, err := minimize(numbers(n), func(part []int) (bool, error) {
			tries++
			return containsAll(part, cause), nil
		})
		if err != nil || !slices.Equal(got, cause) {
			t.Errorf("%d faults: %v, %v, want %v", n, got, err, cause)
		}
		if tries > n*n+3*n+1 {
			t.Errorf("%d faults, cause %v: %d tries", n, cause, tries)
		}
	}
}

func containsAll(list, wanted []int) bool {
	return !slices.ContainsFunc(wanted, func(w int) bool { return !slices.Contains(list, w) })
}

// TestMinimizeLeavesNothingOut: whatever makes it fail, of what is returned nothing can be left out.
func TestMinimizeLeavesNothingOut(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		n := 2 + random.IntN(8)
		failing := make([]bool, 1<<n) // by set of faults, at random, so that more may fail less
		for i := range failing {
			failing[i] = random.IntN(3) == 0
		}
		failing[0], failing[len(failing)-1] = false, true
		fails := func(part []int) bool {
			set := 0
			for _, i := range part {
				set |= 1 << i
			}
			return failing[set]
		}
		got, err := minimize(numbers(n), func(part []int) (bool, error) { return fails(part), nil })
		if err != nil || !fails(got) || !slices.IsSorted(got) {
			t.Fatalf("seed %d: %v does not fail, %v", seed, got, err)
		}
		for i := range got {
			if rest := slices.Delete(slices.Clone(got), i, i+1); fails(rest) {
				t.Errorf("seed %d: of %v, %d can be left out", seed, got, got[i])
			}
		}
	}
}

// TestMinimizeTriesNothingTwice: a try may take minutes.
func TestMinimizeTriesNothingTwice(t *testing.T) {
	var tried [][]int
	_, err := minimize(numbers(8), func(part []int) (bool, error) {
		if slices.ContainsFunc(tried, func(t []int) bool { return slices.Equal(t, part) }) {
			t.Errorf("%v was tried twice", part)
		}
		tried = append(tried, part)
		return containsAll(part, []int{1, 6}), nil
	})
	if err != nil || len(tried) == 0 {
		t.Error(err, tried)
	}
}

func TestMinimizeOddities(t *testing.T) {
	if got, err := minimize(numbers(3), func([]int) (bool, error) { return true, nil }); err != nil || len(got) != 0 {
		t.Errorf("a system that always fails: %v, %v", got, err)
	}
	if got, err := minimize(numbers(3), func([]int) (bool, error) { return false, nil }); err != nil || len(got) != 3 {
		t.Errorf("a system that needs all of them: %v, %v", got, err)
	}
	if got, err := minimize(nil, func([]int) (bool, error) { return false, nil }); err != nil || len(got) != 0 {
		t.Errorf("no faults: %v, %v", got, err)
	}
	broken := errors.New("broken")
	n := 0
	got, err := minimize(numbers(8), func(part []int) (bool, error) {
		if n++; n == 4 {
			return false, broken
		}
		return containsAll(part, []int{1}), nil
	})
	if !errors.Is(err, broken) || !containsAll(got, []int{1}) || len(got) >= 8 {
		t.Errorf("an error in the middle: %v, %v; want the smallest part until then", got, err)
	}
}
