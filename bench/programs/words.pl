# Words of a text, as a script does with hashes, strings and sorting: how often each occurs, which
# follow it, and the lines on which it stands.
use strict;
use warnings;

my (%count, %next, %lines);
my $last = '';
while (my $line = <>) {
    last if $. > 40000;
    for my $word (map { lc } $line =~ /[A-Za-z]+/g) {
        $count{$word}++;
        $next{$last}{$word}++;
        $lines{$word} .= "$. " if length($lines{$word} // '') < 20000;
        $last = $word;
    }
}
for my $word (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count) {
    my $next = $next{$word} // {};
    my @best = (sort { $next->{$b} <=> $next->{$a} || $a cmp $b } keys %$next)[0 .. 2];
    my @on = split ' ', $lines{$word};
    print join("\t", $word, $count{$word}, scalar @on, grep { defined } @best), "\n";
}
