package doctor

import "strings"

// powerOfPmset judges what macOS's "pmset -g batt" and "pmset -g" say.
func powerOfPmset(battery, settings string) Check {
	if strings.Contains(battery, "'Battery Power'") {
		return onBattery
	}
	for row := range strings.Lines(settings) {
		if f := strings.Fields(row); len(f) == 2 && (f[0] == "lowpowermode" || f[0] == "powermode") && f[1] == "1" {
			return Check{Name: "power", Status: Warning, Found: "low power mode: the machine slows down", Do: "sudo pmset -a lowpowermode 0"}
		}
	}
	return Check{Name: "power", Status: OK, Found: "not on battery"}
}
