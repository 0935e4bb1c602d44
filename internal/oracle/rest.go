package oracle

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// restTries bounds how often CollectAtRest collects: what still moves then is not at rest.
const restTries = 10

// CollectAtRest is Collect for an architecture that has nothing left to do, or whose processes have ended just now. The
// database server may still finish what one of them had asked for, a commit above all, after the process is gone: what was
// collected counts only if the architecture's progress is the same before and after, and is collected again if it is not,
// ten times at most. So it is if the broker cut the log meanwhile. progress asks for it.
func CollectAtRest(ctx context.Context, cfg CollectConfig, progress func(context.Context) (any, error)) error {
	before, err := progress(ctx)
	if err != nil {
		return err
	}
	var cut error
	for range restTries {
		cfg.Progress = before
		err := Collect(ctx, cfg)
		if err != nil && !errors.Is(err, errCutMeanwhile) {
			return err
		}
		cut = err
		after, err := progress(ctx)
		if err != nil {
			return err
		}
		if cut == nil && reflect.DeepEqual(before, after) {
			return nil
		}
		before = after
	}
	if cut != nil {
		return cut
	}
	return fmt.Errorf("the architecture does not come to rest: its progress was another one after each of %d collections", restTries)
}
