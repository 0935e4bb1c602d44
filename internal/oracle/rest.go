package oracle

import (
	"context"
	"reflect"
)

// CollectAtRest is Collect for an architecture whose processes have ended just now. The database server may still finish
// what one of them had asked for, a commit above all, after the process is gone: what was collected counts only if the
// architecture's progress is the same before and after, and is collected again if it is not. progress asks for it.
func CollectAtRest(ctx context.Context, cfg CollectConfig, progress func(context.Context) (any, error)) error {
	before, err := progress(ctx)
	for err == nil {
		cfg.Progress = before
		if err := Collect(ctx, cfg); err != nil {
			return err
		}
		var after any
		if after, err = progress(ctx); err == nil && reflect.DeepEqual(before, after) {
			return nil
		}
		before = after
	}
	return err
}
