package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"lkbench/internal/kafka"
	"lkbench/loadgen"
)

// CollectConfig says where the evidence is and where it goes.
type CollectConfig struct {
	Kafka       kafka.Cluster
	Topic       string         // the stream of transactions
	DeadLetters string         // the topic of malformed records
	Postgres    string         // connection string
	Dir         string         // the run's folder; the files go to its folder evidence
	Source      loadgen.Source // of the events that were sent
	Events      uint64         // how many the source has
	Progress    any            // the last architectures.Progress, kept as JSON
}

// Collect writes down what stands in the topics and in the served views, for Judge. Load and architecture must be at
// rest. Memory does not grow with the size of either. A broker that does not answer is waited for until ctx ends. The
// probes' answers are not its business: their writer leaves them in the same folder.
func Collect(ctx context.Context, cfg CollectConfig) error {
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "evidence"), 0o755); err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return save(cfg.Dir, topicFile, packed(cfg.copyTopic(ctx))) })
	work.Go(func() error { return save(cfg.Dir, deadLettersFile, cfg.copyDeadLetters(ctx)) })
	work.Go(func() error { return cfg.copyViews(ctx) })
	work.Go(func() error {
		return save(cfg.Dir, progressFile, func(w io.Writer) error { return json.NewEncoder(w).Encode(cfg.Progress) })
	})
	return work.Wait()
}

// save creates one file of the folder.
func save(dir, name string, write func(io.Writer) error) error {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// packed compresses what write writes.
func packed(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		// With zero frames an empty view is a frame too, and an empty file is always a damaged one.
		pack, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true))
		if err != nil {
			return err
		}
		return errors.Join(write(pack), pack.Close())
	}
}

func (cfg *CollectConfig) copyTopic(ctx context.Context) func(io.Writer) error {
	return func(w io.Writer) error {
		var out *topicWriter
		begin := func(starts []int64) (err error) {
			out, err = newTopicWriter(w, starts)
			return err
		}
		err := readLog(ctx, cfg.Kafka, cfg.Topic, begin, func(runs []logRun) error {
			traced := make([][]record, len(runs))
			var tracing errgroup.Group
			for i, run := range runs {
				tracing.Go(func() error {
					traced[i] = cfg.trace(run.records)
					return nil
				})
			}
			if err := tracing.Wait(); err != nil {
				return err
			}
			for i, run := range runs {
				if err := out.write(run.partition, traced[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return out.close()
	}
}

// trace leads records back to the events they should be.
func (cfg *CollectConfig) trace(records []*kgo.Record) []record {
	traced := make([]record, len(records))
	var buf []byte
	for i, r := range records {
		t := record{offset: r.Offset, n: noTurn, kind: recordForeign, key: r.Key, value: r.Value}
		if h := header(r, "n"); len(h) == 8 && binary.BigEndian.Uint64(h) < cfg.Events {
			t.n, t.kind = binary.BigEndian.Uint64(h), recordAltered
			event := cfg.Source.Event(t.n, buf[:0])
			buf = event.Key
			if bytes.Equal(event.Key, r.Key) && bytes.Equal(event.Value, r.Value) {
				t.kind = recordSame
			}
		}
		traced[i] = t
	}
	return traced
}

// header returns a record's header, nil if it has none of that name.
func header(r *kgo.Record, name string) []byte {
	for _, h := range r.Headers {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}

func (cfg *CollectConfig) copyDeadLetters(ctx context.Context) func(io.Writer) error {
	return func(w io.Writer) error {
		out := csv.NewWriter(w)
		// Dead letters that were thrown away would be missing ones.
		begin := func([]int64) error { return nil }
		err := readLog(ctx, cfg.Kafka, cfg.DeadLetters, begin, func(runs []logRun) error {
			for _, run := range runs {
				for _, r := range run.records {
					// The writer keeps its first error for the end.
					_ = out.Write([]string{
						string(header(r, "source_partition")), string(header(r, "source_offset")), string(header(r, "reason")),
					})
				}
			}
			return nil
		})
		out.Flush()
		return errors.Join(err, out.Error())
	}
}

// copyViews dumps the three views from one snapshot.
func (cfg *CollectConfig) copyViews(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, cfg.Postgres)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, v := range []view{viewAnomalies, viewWindows, viewProfiles} {
			err := save(cfg.Dir, v.file(), packed(func(w io.Writer) error {
				_, err := tx.Conn().PgConn().CopyTo(ctx, w, v.dump())
				return err
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// dump is the statement that copies a view out, columns in their documented order.
func (v view) dump() string {
	columns := make([]string, len(v.columns))
	for i, name := range v.columns {
		if columns[i] = name; timeColumns[name] {
			columns[i] = fmt.Sprintf("(extract(epoch from %s) * 1000000)::bigint", name)
		}
	}
	return fmt.Sprintf("copy (select %s from %s) to stdout (format csv)", strings.Join(columns, ", "), v.name)
}
