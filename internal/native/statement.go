package native

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Exec runs one statement in tx with binary parameters $1, $2, … and returns the number of rows it hit. The statement
// is prepared once a connection. Its parameters must have casts that name the types of the Params.
func Exec(ctx context.Context, tx pgx.Tx, statement string, params ...*Param) (int64, error) {
	conn := tx.Conn()
	prepared, err := conn.Prepare(ctx, statement, statement)
	if err != nil {
		return 0, fmt.Errorf("prepare %.60q: %w", statement, err)
	}
	values := make([][]byte, len(params))
	formats := make([]int16, len(params))
	for i, p := range params {
		values[i], formats[i] = p.value(), 1
	}
	result := conn.PgConn().ExecPrepared(ctx, prepared.Name, values, formats, nil).Read()
	if result.Err != nil {
		return 0, fmt.Errorf("execute %.60q: %w", statement, result.Err)
	}
	return result.CommandTag.RowsAffected(), nil
}

// worthCopying is the number of rows from which a COPY in a savepoint pays for its round trips.
const worthCopying = 500

// uniqueViolation is PostgreSQL's code for a key that is there already.
const uniqueViolation = "23505"

// Insert adds rows by the statement or, if they are many and believed to be new, by COPY: without a look for each key it
// costs PostgreSQL 40% of what insert … on conflict does. Should a key be there after all, nothing stays of the COPY and the
// statement does the work, which must be right in any case. table names the columns of params: "t (a, b)". A parameter that is
// not an array has the same value in every row. Without a table the statement does it all.
func Insert(ctx context.Context, tx pgx.Tx, table, statement string, params ...*Param) error {
	rows := 0
	for _, p := range params {
		rows = max(rows, p.n)
	}
	if rows == 0 {
		return nil
	}
	if table != "" && rows >= worthCopying {
		err := pgx.BeginFunc(ctx, tx, func(point pgx.Tx) error {
			_, err := point.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(copyRows(rows, params)), "copy "+table+" from stdin (format binary)")
			return err
		})
		if server := (*pgconn.PgError)(nil); err == nil || !errors.As(err, &server) || server.Code != uniqueViolation {
			return err
		}
	}
	_, err := Exec(ctx, tx, statement, params...)
	return err
}

// copyRows turns columns into rows in the binary form of COPY.
func copyRows(rows int, params []*Param) []byte {
	size := 32 + 2*rows
	for _, p := range params {
		size += len(p.buf)
		if !p.array {
			size += rows * (4 + len(p.buf))
		}
	}
	out := make([]byte, 0, size)
	out = append(out, "PGCOPY\n\xff\r\n\x00"...)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0) // no flags, no extension
	rest := make([][]byte, len(params))
	for i, p := range params {
		if p.array {
			rest[i] = p.buf[arrayHeader:]
		}
	}
	for range rows {
		out = binary.BigEndian.AppendUint16(out, uint16(len(params)))
		for i, p := range params {
			if !p.array {
				out = binary.BigEndian.AppendUint32(out, uint32(len(p.buf)))
				out = append(out, p.buf...)
				continue
			}
			field := 4 // a value is its length, −1 for null, and its bytes: in an array as in a row
			if length := int32(binary.BigEndian.Uint32(rest[i])); length > 0 {
				field += int(length)
			}
			out = append(out, rest[i][:field]...)
			rest[i] = rest[i][field:]
		}
	}
	return append(out, 0xff, 0xff)
}
