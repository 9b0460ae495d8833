# libwww-perl over IO::Socket::SSL and Net::SSLeay.
use strict;
use warnings;
use LWP::UserAgent;

my ($url, @files) = @ARGV;
my $agent = LWP::UserAgent->new(keep_alive => 1, timeout => 20);
$| = 1;
binmode STDOUT;
for my $name (@files) {
    open my $file, '<:raw', $name or die "$name: $!\n";
    my $body = do { local $/; <$file> };
    my $answer = $agent->post($url, Authorization => "Bearer $ENV{API_KEY}",
        'Content-Type' => 'application/json', Content => $body,
        ':content_cb' => sub { print $_[0] });
    print $answer->content if $answer->is_error;    # LWP calls back for good answers only
    print "\nHTTP ", $answer->code, "\n";
}
