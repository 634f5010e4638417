# A bit of everything that perl's own tests go through, with the same output each time.
use strict;
use warnings;
use Compress::Zlib;
use Data::Dumper;
use Digest::MD5 qw(md5_hex);
use Encode;
use List::Util qw(reduce sum);
use Math::BigInt;
use POSIX qw(floor strftime);
use Storable qw(dclone freeze thaw);
use Time::HiRes qw(ualarm);

# Hashes, arrays, sorting, regular expressions, text.
my (%lists, @texts);
for my $i (1 .. 20000) {
    push @{$lists{'k' . $i * 7919 % 5003}}, $i;
    $texts[$i % 777] .= chr(65 + $i % 26);
}
print join(',', map { "$_ @{$lists{$_}}" } (sort keys %lists)[0 .. 20]), "\n";
my $text = join ' ', @texts[0 .. 50];
my %counts;
$counts{$1}++ while $text =~ /([A-Z]{3})/g;
print join(' ', map { "$_$counts{$_}" } sort keys %counts), "\n";
(my $changed = $text) =~ s/([AEIOU])(\w)/lc($2) . $1/ge;
print md5_hex($changed), "\n";
my $nested;
$nested = qr/\((?:[^()]+|(??{ $nested }))*\)/;
print '(a(b)c)' =~ /^$nested$/ ? "balanced\n" : "not balanced\n";
print "$+{year} $+{month}\n" if '2020-12' =~ /^(?<year>\d+)-(?<month>\d+)(?{ 1 })$/;
my @ordered = sort { $a->[1] cmp $b->[1] or $a->[0] <=> $b->[0] } map { [$_, 'v' . $_ % 13] } 1 .. 2000;
print join(' ', map { $_->[0] } @ordered[0 .. 20]), "\n";
print sprintf('%s %05d %.3e %x %b %vd', 'a', 42, 12345.678, 255, 10, '1.22.333'), "\n";
print join('|', split /,\s*/, 'a, b,c,   d'), ucfirst lc 'WORLD', "\n";
print join(',', unpack('N n C a*', pack('N n C a*', 1, 2, 3, 'xyz'))), "\n";

# Closures, objects, exceptions, code made while it runs.
my @adders = map { my $n = $_; sub { $n += shift } } 1 .. 100;
print join(',', map { $_->(5) } @adders), "\n";
{
    package Counted;
    my $live = 0;
    sub new { $live++; return bless {}, shift }
    sub DESTROY { $live-- }
    sub live { return $live }
}
{
    my @objects = map { Counted->new } 1 .. 1000;
    print Counted::live(), "\n";
}
print Counted::live(), "\n";
{
    package Squares;
    sub TIEARRAY { return bless [], shift }
    sub FETCH { return $_[1]**2 }
    sub FETCHSIZE { return 10 }
}
tie my @squares, 'Squares';
print "@squares\n";
eval { eval { die "inner\n" }; print "got $@"; die {code => 42} };
print "$@->{code}\n";
for my $i (1 .. 200) {
    eval { my @kept = ($i) x 100; sub { die [@kept] }->() };
    print "$#{$@} " if $i % 50 == 0;
}
print eval '1+' // "does not parse\n";
eval join '', map { "sub made$_ { return $_ + \$_[0] }\n" } 1 .. 500;
print made500(1), "\n";
sub fibonacci { my $n = shift; return $n < 2 ? $n : fibonacci($n - 1) + fibonacci($n - 2) }
print fibonacci(18), "\n";

# Modules with code of their own.
my $clone = dclone(\%lists);
print scalar(keys %$clone), ' ', md5_hex(join ',', @{thaw(freeze([1 .. 1000]))}), "\n";
print sum(1 .. 1000), ' ', (reduce { $a * $b % 1000003 } 1 .. 100), "\n";
$Data::Dumper::Sortkeys = 1;
print Dumper({a => [1, 2, {b => undef}], c => \'text'});
print length(encode('UTF-8', "\x{65e5}\x{672c}" x 100)), "\n";
print length(uncompress(compress($text x 100))), "\n";
print Math::BigInt->new('12345678901234567890')->bpow(20), "\n";
print floor(3.7), strftime('%Y', gmtime 0), "\n";

# Files, processes, signals.
my $file = '';
open my $out, '>', \$file or die;
print $out "line $_\n" for 1 .. 1000;
close $out;
open my $in, '<', \$file or die;
my @lines = <$in>;
print scalar(@lines), "\n";
my $child = open(my $pipe, '-|') // die;
if (!$child) {
    print "child $_\n" for 1 .. 10;
    exit 3;
}
@lines = <$pipe>;
close $pipe;
print scalar(@lines), ' ', $? >> 8, "\n";
print `echo from a shell; exit 2`, $? >> 8, "\n";
local $SIG{ALRM} = sub { die "alarm\n" };
eval { ualarm 20000; while (1) { my @kept = map { "$_" } 1 .. 10 } };
print $@;
local $SIG{__WARN__} = sub { print "warned: @_" };
warn "careful\n";
print STDERR "to stderr\n";
exit 7;
