package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// field is one column of a row that PostgreSQL wrote with COPY … CSV. NULL is an empty field without quotes.
type field struct {
	text []byte
	null bool
}

// csvReader reads COPY's CSV. encoding/csv cannot be used: it does not tell NULL from an empty string.
type csvReader struct {
	in   *bufio.Reader
	name string // for errors
	row  []field
	line int // of the row's first line
	next int
	long []byte // a row that spans the buffer or several lines
}

func newCSVReader(r io.Reader, name string, columns int) *csvReader {
	return &csvReader{in: bufio.NewReaderSize(r, 1<<16), name: name, row: make([]field, columns), next: 1}
}

// read returns the next row, valid until the next call, or io.EOF.
func (c *csvReader) read() ([]field, error) {
	c.line = c.next
	text, err := c.readLine(c.long[:0])
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(text, '"') < 0 {
		return c.split(text)
	}
	c.long = append(c.long[:0], text...)
	for bytes.Count(c.long, []byte{'"'})%2 != 0 {
		c.long = append(c.long, '\n')
		if c.long, err = c.readLine(c.long); err != nil {
			return nil, c.damaged("a quoted field does not end")
		}
	}
	return c.splitQuoted(c.long)
}

// readLine returns one line without its end. If it is not whole in the reader's buffer, or onto is not empty, it is
// appended to onto.
func (c *csvReader) readLine(onto []byte) ([]byte, error) {
	for {
		piece, err := c.in.ReadSlice('\n')
		switch {
		case err == nil && len(onto) == 0:
			c.next++
			return piece[:len(piece)-1], nil
		case err == nil:
			c.next++
			return append(onto, piece[:len(piece)-1]...), nil
		case errors.Is(err, bufio.ErrBufferFull):
			onto = append(onto, piece...)
		case err == io.EOF && len(piece) == 0 && len(onto) == 0:
			return nil, io.EOF
		case err == io.EOF:
			return nil, c.damaged("the last line does not end")
		default:
			return nil, fmt.Errorf("%s line %d: %w", c.name, c.next, err)
		}
	}
}

func (c *csvReader) split(text []byte) ([]field, error) {
	for i := range c.row {
		end := bytes.IndexByte(text, ',')
		if last := i == len(c.row)-1; last != (end < 0) {
			return nil, c.damaged(fmt.Sprintf("not %d columns", len(c.row)))
		}
		if end < 0 {
			end = len(text)
		}
		c.row[i] = field{text: text[:end], null: end == 0}
		text = text[min(end+1, len(text)):]
	}
	return c.row, nil
}

// splitQuoted splits a row with quotes, taking doubled quotes apart in place.
func (c *csvReader) splitQuoted(text []byte) ([]field, error) {
	in := 0
	for i := range c.row {
		start, out, quoted := in, in, false
		for inside := false; in < len(text) && (inside || text[in] != ','); in++ {
			if text[in] == '"' {
				quoted = true
				if inside && in+1 < len(text) && text[in+1] == '"' {
					in++
				} else {
					inside = !inside
					continue
				}
			}
			text[out] = text[in]
			out++
		}
		c.row[i] = field{text: text[start:out], null: out == start && !quoted}
		if last := i == len(c.row)-1; last != (in == len(text)) {
			return nil, c.damaged(fmt.Sprintf("not %d columns", len(c.row)))
		}
		in++
	}
	return c.row, nil
}

func (c *csvReader) damaged(what string) error {
	return fmt.Errorf("%s line %d: %s: the file is damaged", c.name, c.line, what)
}
