package loadgen

// The shape of the synthetic events. The figures describe the public Kaggle dataset "Bank Customer Segmentation (1M+
// Transactions)": its published profile, and between the profile's quantiles those of the first 20,000 rows, thinned in the
// far tail of amounts so that mean and standard deviation come out as in the whole file. TestSyntheticFit holds what is
// generated against the profile.

// quantile says that a share of the values is at most value (rupees, or years for ages). Between two of them the logarithm of
// the value grows linearly with the share.
type quantile struct{ share, value float64 }

// atom is a value that a share of the events has exactly.
type atom struct{ value, share float64 }

var (
	amountQuantiles = []quantile{
		{0.0008, 0.5}, {0.01, 8}, {0.05, 30}, {0.25, 161}, {0.5, 459.03}, {0.75, 1200}, {0.80, 1500}, {0.85, 2000}, {0.90, 2999},
		{0.95, 5176}, {0.97, 8500}, {0.98, 12200}, {0.99, 20000}, {0.996, 50000}, {0.9994, 80000}, {0.9999, 150000},
		{0.99999, 400000}, {1, 1560034.99},
	}
	amountAtoms = []atom{{50, 0.02924}, {100, 0.03260}, {200, 0.02968}, {500, 0.02769}, {1000, 0.02212}}

	balanceQuantiles = []quantile{
		{0.002, 0.2}, {0.01, 3.35}, {0.05, 70.15}, {0.07, 320}, {0.1, 960}, {0.15, 2200}, {0.25, 4721.76}, {0.5, 16792.18},
		{0.75, 57657.36}, {0.9, 190000}, {0.95, 414522.23}, {0.97, 650000}, {0.98, 920000}, {0.99, 1586508.61}, {0.999, 6000000},
		{0.9999, 20000000}, {1, 115035495.10},
	}

	ageQuantiles = []quantile{{0, 16}, {0.05, 22}, {0.5, 29}, {0.95, 49}, {1, 85}}
)

const (
	integerShare    = 0.88      // of amounts, atoms and zeros included
	copula          = 0.275     // correlation of the deviates of amount and balance; that of their logarithms is then 0.26
	unknownDOBShare = 0.05468   // customers whose birthday is given as 1800-01-01
	missingDOB      = 0.00324   // of customers
	missingGender   = 0.00105   // of customers
	femaleShare     = 0.26915   // of customers whose gender is known
	otherGender     = 0.0000010 // the single T
	missingBalance  = 0.00226   // of events
	missingLocation = 0.00014   // of events

	// Not in the dataset, where a customer has hardly more than one row.
	awayShare       = 0.1 // of events, at a place other than the customer's home
	betweenBalances = 0.8 // of the variance of log balances lies between customers, the rest within one
)

// topLocations are the most frequent ones with their shares.
var topLocations = []struct {
	name  string
	share float64
}{
	{"MUMBAI", 0.0979}, {"NEW DELHI", 0.0808}, {"BANGALORE", 0.0781}, {"GURGAON", 0.0707}, {"DELHI", 0.0677}, {"NOIDA", 0.0314},
	{"CHENNAI", 0.0286}, {"PUNE", 0.0247}, {"HYDERABAD", 0.0221}, {"KOLKATA", 0.021}, {"THANE", 0.0205}, {"GHAZIABAD", 0.016},
	{"AHMEDABAD", 0.012}, {"NAVI MUMBAI", 0.012}, {"FARIDABAD", 0.011},
}

// The other locations: their number makes 9,355 in all, and the exponent with which their shares fall by rank is that of the
// first 20,000 rows. Their names are made up: one beginning, middle and end each. A few begin with a letter outside of ASCII,
// and some names are the beginning of others, since ties are broken by bytes.
const (
	tailLocations = 9340
	tailExponent  = 1.3
)

var (
	nameBegins = []string{
		"RAM", "DEV", "SUR", "KRISHN", "GOPAL", "MADHAV", "CHAND", "SON", "BIL", "JAG", "BHIM", "ARJUN", "HARI", "SHIV", "GANG", "KAM",
		"NARAY", "VISH", "LAKSH", "PADM", "RAJ", "MAN", "TUL", "VARUN", "INDR", "ASHOK", "BALAR", "CHITR", "DHAN", "FATEH", "GULAB", "JAY",
		"KAILASH", "MOHAN", "NIL", "PRATAP", "RATAN", "SAGAR", "UDAY", "Śrī",
	}
	nameMiddles = []string{"A", "I", "U", "E", "O", "AN", "ESH", "IK", "IN", "AL", "IY", "AR"}
	nameEnds    = []string{
		"PUR", "NAGAR", "GARH", "ABAD", "GANJ", "KOT", "PUR EAST", "PUR WEST", "PATNAM", "WADI", "GAON", "HALLI", "PET", "KUNDA",
		"NAGAR ROAD", "GUDA", "PALLI", "GHAT", "VALLEY", "BAGH",
	}
)
