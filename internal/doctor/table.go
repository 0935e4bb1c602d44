package doctor

import (
	"io"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	gap        = 2  // blanks between two columns
	narrowText = 24 // columns for text below which the table is stacked
	leastWidth = 20
	indent     = "  "
	arrow      = "→ "
	ruleWidth  = 80
)

// row is a line of the table before it is broken into lines that fit.
type row struct {
	name   string
	status Status
	texts  []string
	head   bool
}

// Table writes findings for people, for a terminal of this many columns (0: no limit). A state has a sign and a word, and
// a colour only beside them.
func (f Findings) Table(w io.Writer, width int, color bool) error {
	if width > 0 {
		width = max(width, leastWidth)
	}
	var b strings.Builder
	for i, section := range []struct {
		title string
		rows  []row
	}{
		{"Providers (--infra)", partRows(f.Providers)},
		{"Engines (--engine)", partRows(f.Engines)},
		{"This machine", checkRows(f.Machine, "")},
	} {
		if i > 0 {
			b.WriteByte('\n')
		}
		if err := draw(&b, section.title, section.rows, width, color); err != nil {
			return err
		}
	}
	b.WriteByte('\n')
	for _, l := range wrap(f.Summary(), width) {
		b.WriteString(l + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func partRows(parts []Part) []row {
	var rows []row
	for _, p := range parts {
		text := map[Status]string{ToFetch: "works, and fetches at the first use what is marked so", Missing: "does not work",
			Unknown: "may work", NotChecked: ""}
		says, special := text[p.Status]
		if !special {
			says = "works"
		}
		rows = append(rows, row{name: p.Name, status: p.Status, texts: []string{says}, head: true})
		rows = append(rows, checkRows(p.Checks, indent)...)
	}
	return rows
}

func checkRows(checks []Check, lead string) []row {
	var rows []row
	for _, c := range checks {
		r := row{name: lead + c.Name, status: c.Status, texts: []string{printable(c.Found)}}
		if c.Do != "" && !strings.Contains(c.Found, c.Do) {
			r.texts = append(r.texts, arrow+printable(c.Do))
		}
		rows = append(rows, r)
	}
	return rows
}

// draw writes one section, its columns name, state and text; or, where there is no room, the text below the name.
func draw(b *strings.Builder, title string, rows []row, width int, color bool) error {
	names, states := 0, 0
	for _, r := range rows {
		names, states = max(names, twwidth.Width(r.name)), max(states, twwidth.Width(label(r.status)))
	}
	text := max(0, width-names-states-2*gap)
	if width > 0 && text < narrowText {
		stacked(b, title, rows, width, color)
		return nil
	}
	var drawn strings.Builder
	t := tablewriter.NewTable(&drawn,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.Lines{
				ShowTop: tw.Off, ShowBottom: tw.Off, ShowHeaderLine: tw.Off, ShowFooterLine: tw.Off}},
		})),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithPadding(tw.PaddingNone),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
	)
	for _, r := range rows {
		name, state := r.name, paint(label(r.status), r.status, color)+strings.Repeat(" ", states-twwidth.Width(label(r.status))+gap)
		for _, l := range r.lines(text) {
			if err := t.Append([]string{pad(name, names+gap), state, l}); err != nil {
				return err
			}
			name, state = "", strings.Repeat(" ", states+gap)
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	wide := ruleWidth
	if width > 0 {
		wide = min(wide, width)
	}
	b.WriteString(title + "\n" + strings.Repeat("─", wide) + "\n")
	for l := range strings.Lines(drawn.String()) {
		b.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
	return nil
}

func stacked(b *strings.Builder, title string, rows []row, width int, color bool) {
	for _, l := range wrap(title, width) {
		b.WriteString(l + "\n")
	}
	b.WriteString(strings.Repeat("─", width) + "\n")
	for _, r := range rows {
		b.WriteString(shorten(r.name, width-twwidth.Width(label(r.status))-1) + " " + paint(label(r.status), r.status, color) + "\n")
		for _, l := range r.lines(width - 2*len(indent)) {
			if l != "" {
				b.WriteString(indent + indent + l + "\n")
			}
		}
	}
}

// lines breaks the texts of a row. Without a limit they are one line, so that grep finds all of a finding.
func (r row) lines(width int) []string {
	if width <= 0 {
		return []string{strings.Join(r.texts, " ")}
	}
	var lines []string
	for _, text := range r.texts {
		lead := ""
		if after, is := strings.CutPrefix(text, arrow); is {
			lead, text = arrow, after
		}
		for _, l := range wrap(text, max(0, width-twwidth.Width(lead))) {
			lines = append(lines, lead+l)
			lead = strings.Repeat(" ", twwidth.Width(lead))
		}
	}
	return lines
}

// label is a state as a sign and a word.
func label(s Status) string {
	switch s {
	case OK:
		return "✓ ok"
	case Warning:
		return "! warning"
	case Missing:
		return "✗ missing"
	case ToFetch:
		return "↓ to fetch"
	case NotChecked:
		return "– not checked"
	}
	return "? unknown"
}

func paint(text string, s Status, color bool) string {
	code := map[Status]string{OK: "\x1b[32m", Warning: "\x1b[33m", ToFetch: "\x1b[33m", Missing: "\x1b[31m"}[s]
	if !color || code == "" {
		return text
	}
	return code + text + "\x1b[0m"
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-twwidth.Width(s))) }

func shorten(s string, width int) string {
	if twwidth.Width(s) <= width {
		return s
	}
	return twwidth.Truncate(s, max(0, width-1)) + "…"
}

// printable makes one line of a text, of characters that a terminal does not obey.
func printable(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)), " ")
}

// wrap breaks a text at blanks, and words that are too long where they must be; a width of 0 is no limit.
func wrap(text string, width int) []string {
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && twwidth.Width(line)+1+twwidth.Width(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for twwidth.Width(word) > width {
			head := twwidth.Truncate(word, width)
			if head == "" {
				break
			}
			lines, word = append(lines, head), strings.TrimPrefix(word, head)
		}
		line = word
	}
	return append(lines, line)
}
