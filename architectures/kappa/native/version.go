package native

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
)

//go:embed version.sql
var tablesOfVersion string

//go:embed views.sql
var viewsOfVersion string

// version is one set of tables and the rules by which they are made.
type version struct {
	number int64
	rules  bank.Rules
}

func (v version) table(name string) string { return name + "_" + strconv.FormatInt(v.number, 10) }

// tables is the script that creates the version's tables where they are missing.
func (v version) tables() string { return v.fill(tablesOfVersion) }

// views is the script that has the views show the version.
func (v version) views() string { return v.fill(viewsOfVersion) }

func (v version) fill(script string) string {
	return strings.NewReplacer(
		"@version@", strconv.FormatInt(v.number, 10),
		"@premium_paise@", strconv.FormatInt(int64(v.rules.PremiumPaise), 10),
		"@frequent_count@", strconv.FormatInt(v.rules.FrequentCount, 10),
	).Replace(script)
}

// servedVersion picks the version that the views show.
const servedVersion = ` where switched_at is not null order by version desc limit 1`

func served(ctx context.Context, tx pgx.Tx) (version, error) {
	return one(ctx, tx, `select version, rules from versions`+servedVersion)
}

// errNothing says that nothing is to be processed again.
var errNothing = errors.New("no version is to be made")

// wanted gives the version that was asked for and is not served yet.
func wanted(ctx context.Context, tx pgx.Tx) (version, error) {
	v, err := one(ctx, tx, `select version, rules from versions where switched_at is null`)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNothing
	}
	return v, err
}

func one(ctx context.Context, tx pgx.Tx, query string) (v version, err error) {
	if err := tx.QueryRow(ctx, query).Scan(&v.number, &v.rules); err != nil {
		return v, fmt.Errorf("read table versions: %w", err)
	}
	return v, nil
}
