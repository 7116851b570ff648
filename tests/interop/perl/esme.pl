#!/usr/bin/perl
# An ESME made with Net::SMPP. What it gets it writes to standard output, one JSON object a line; what it is to do it
# reads from standard input in the same way, and it ends when that ends.
#
# Net::SMPP can also be called synchronously, but then it throws away every PDU that is not the answer waited for, so a
# receipt that comes before an answer is lost, which its manual says: hence async.
use strict;
use warnings;

use IO::Select;
use JSON::PP;
use Net::SMPP;

$SIG{PIPE} = 'IGNORE';
binmode STDOUT, ':raw';
$| = 1;

my $json = JSON::PP->new->utf8->canonical;
my $smpp;
my $select = IO::Select->new(\*STDIN);

my %NAMES = (
    Net::SMPP::CMD_bind_transceiver_resp() => 'bind_resp',
    Net::SMPP::CMD_bind_transmitter_resp() => 'bind_resp',
    Net::SMPP::CMD_bind_receiver_resp()    => 'bind_resp',
    Net::SMPP::CMD_submit_sm_resp()        => 'submit_sm_resp',
    Net::SMPP::CMD_submit_multi_resp()     => 'submit_multi_resp',
    Net::SMPP::CMD_data_sm_resp()          => 'data_sm_resp',
    Net::SMPP::CMD_query_sm_resp()         => 'query_sm_resp',
    Net::SMPP::CMD_deliver_sm()            => 'deliver_sm',
    Net::SMPP::CMD_enquire_link()          => 'enquire_link',
    Net::SMPP::CMD_enquire_link_resp()     => 'enquire_link_resp',
    Net::SMPP::CMD_unbind()                => 'unbind',
    Net::SMPP::CMD_unbind_resp()           => 'unbind_resp',
    Net::SMPP::CMD_generic_nack()          => 'generic_nack',
);
my @TEXTS = qw(system_id message_id source_addr destination_addr);
my @NUMBERS = qw(
    source_addr_ton source_addr_npi dest_addr_ton dest_addr_npi esm_class data_coding registered_delivery protocol_id
);
my @OCTETS = qw(
    short_message message_payload receipted_message_id message_state sc_interface_version
    sar_msg_ref_num sar_total_segments sar_segment_seqnum
);

sub tell_event {
    my ($event, %facts) = @_;
    print $json->encode({ event => $event, %facts }), "\n";
}

sub got {
    my ($pdu) = @_;
    my $name = $NAMES{ $pdu->{cmd} } || sprintf '0x%08x', $pdu->{cmd};
    my %facts = (status => $pdu->{status}, seq => $pdu->{seq});
    $facts{$_} = "$pdu->{$_}"               for grep { defined $pdu->{$_} } @TEXTS;
    $facts{$_} = 0 + $pdu->{$_}             for grep { defined $pdu->{$_} } @NUMBERS;
    $facts{$_} = unpack 'H*', $pdu->{$_} for grep { defined $pdu->{$_} } @OCTETS;
    if ($name eq 'deliver_sm') {
        $smpp->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    }
    elsif ($name eq 'enquire_link') {
        $smpp->enquire_link_resp(seq => $pdu->{seq});
    }
    elsif ($name eq 'unbind') {
        $smpp->unbind_resp(seq => $pdu->{seq});
    }
    tell_event($name, %facts);
}

sub hang_up {
    $select->remove($smpp);
    $smpp->close;
    undef $smpp;
    tell_event('closed');
}

my %ORDERS = (
    bind => sub {
        my ($order) = @_;
        $smpp = Net::SMPP->new_connect(
            '127.0.0.1',
            port      => $order->{port},
            async     => 1,
            system_id => $order->{system_id},
            password  => $order->{password},
        ) or die "no connection: $!";
        $select->add($smpp);
        my $bind = "bind_$order->{kind}";
        $smpp->$bind();
    },
    # `fields` go to Net::SMPP as they are; the text is given in hexadecimal.
    submit_sm => sub {
        my ($order) = @_;
        my $seq = $smpp->submit_sm(%{ $order->{fields} }, short_message => pack 'H*', $order->{short_message});
        tell_event('sent', seq => $seq);
    },
    submit_with_payload => sub {
        my ($order) = @_;
        my $seq = $smpp->submit_sm(%{ $order->{fields} }, message_payload => pack 'H*', $order->{message_payload});
        tell_event('sent', seq => $seq);
    },
    query_sm     => sub { $smpp->query_sm(message_id => $_[0]{message_id}) },
    enquire_link => sub { $smpp->enquire_link() },
    unbind       => sub { $smpp->unbind() },
    close        => sub { hang_up() },
);

my $held = '';
while (1) {
    for my $ready ($select->can_read) {
        if ($smpp && $ready == $smpp) {
            local $SIG{__WARN__} = sub { };    # "premature eof": told as `closed`
            my $pdu = $smpp->read_pdu;
            $pdu ? got($pdu) : hang_up();
            next;
        }
        sysread(STDIN, $held, 65536, length $held) or exit 0;
        while ($held =~ s/^(.*)\n//) {
            my $order = $json->decode($1);
            $ORDERS{ $order->{do} }->($order);
        }
    }
}
