# What several programs of the suite compute.

# The middle at 0.5; between two values by linear interpolation.
def quantile($q):
  sort as $sorted | ($q * (length - 1)) as $at | ($at | floor) as $below
  | $sorted[$below] + (($sorted[$below + 1] // $sorted[$below]) - $sorted[$below]) * ($at - $below);

def median: quantile(0.5);

# The interquartile range: half of the values lie within it.
def spread: quantile(0.75) - quantile(0.25);

# Of nulls, which stand for what failed, nothing is made.
def present: map(select(. != null));

# Of two equally long arrays; null where either is null or the divisor is 0.
def ratios($over; $under):
  [range([$over, $under | length] | min)
    | if $over[.] != null and $under[.] != null and $under[.] != 0
      then $over[.] / $under[.] else null end];

# More is better for throughput alone.
def more_is_better: startswith("ops_per_s");

def significant($digits):
  if . == null or . == 0 then .
  else ($digits - 1 - (fabs | log10 | floor)) as $places
    | if $places <= 0 then round
      else (. * pow(10; $places) | round) / pow(10; $places) end
  end;

# More than the measurements hold.
def digits: significant(4);

# Sorts 64 before 100, and 384x10 before 1536x10.
def by_number: [scan("[0-9]+") | tonumber];
