package bank

import "time"

// AppendTime appends m in RFC 3339 in UTC: 2016-08-01T00:00:00Z, with a fraction only if there is one. It is meant for
// the years 1 to 9999; what it writes for another is refused by Decode.
func AppendTime(dst []byte, m Micros) []byte {
	return m.Time().AppendFormat(dst, time.RFC3339Nano)
}

// parseTime reads an RFC 3339 time: capital T and Z, seconds 00 to 59, digits below a microsecond cut off. It returns
// what is wrong with s, or nothing. The standard library's parsers are more lenient: they take a comma for the point,
// one digit for the hour, and offsets of more than a day.
func parseTime(s []byte) (m Micros, defect string) {
	const wrong = "is not an RFC 3339 time"
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, wrong
	}
	year, month, day := number(s[:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	if year|month|day|hour|minute|second < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, wrong
	}
	if year == 0 {
		return 0, "is outside the years 1 to 9999"
	}
	m = Micros(((epochDay(year, month, day)*24+hour)*60+minute)*60+second) * 1_000_000

	rest := s[19:]
	if rest[0] == '.' {
		n := 1
		for unit := Micros(100_000); n < len(rest) && rest[n]-'0' <= 9; n++ {
			m += Micros(rest[n]-'0') * unit
			unit /= 10
		}
		if n == 1 {
			return 0, wrong
		}
		rest = rest[n:]
	}
	if len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' {
		hours, minutes := number(rest[1:3]), number(rest[4:6])
		if hours|minutes < 0 || hours > 23 || minutes > 59 {
			return 0, wrong
		}
		offset := Micros(hours*60+minutes) * 60_000_000
		if rest[0] == '-' {
			offset = -offset
		}
		m -= offset
	} else if len(rest) != 1 || rest[0] != 'Z' {
		return 0, wrong
	}
	return m, ""
}

// number is the value of a few digits, or -1 if one is not a digit.
func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		if c-'0' > 9 {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// daysIn is the length of a month, 1 to 12.
func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month/8)%2 // long and short months alternate, beginning anew with August
}

// epochDay is the number of days from 1 January 1970 to a date in the year 0 or later. It counts in years that begin in
// March, so that the leap day comes last.
func epochDay(year, month, day int) int {
	month -= 3
	if month < 0 {
		month += 12
		year--
	}
	const cycle = 400                                            // years until the calendar repeats; keeps the year positive
	const origin = 365*2369 + 2369/4 - 2369/100 + 2369/400 + 306 // 1 January 1970 is in the year 2369 of that count
	year += cycle
	return 365*year + year/4 - year/100 + year/400 + (153*month+2)/5 + day - 1 - origin
}
