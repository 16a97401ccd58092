# perl: processes, pipes, sockets, files, threads.
perl -MIO::Socket::INET -MIPC::Open3 -MFile::Temp=tempfile -MPOSIX=:sys_wait_h -MTime::HiRes=sleep -MList::Util=sum -e '
  $| = 1;
  print join(",", map { $_ ** 2 } grep { $_ % 2 } 1..9), "\n";
  pipe(my $r, my $w); if (!fork) { close $r; print $w "from child\n"; exit 6 } close $w; print <$r>; wait; print $? >> 8, "\n";
  my $pid = open3(my $in, my $out, undef, "tr", "a-z", "A-Z"); print $in "upper\n"; close $in; print <$out>; waitpid $pid, 0;
  my $server = IO::Socket::INET->new(Listen => 3, LocalAddr => "127.0.0.1", Proto => "tcp") or die;
  my $port = $server->sockport; if (!fork) { my $c = IO::Socket::INET->new("127.0.0.1:$port"); print $c "over tcp\n"; exit 0 }
  my $c = $server->accept; print <$c>; wait;
  local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 20; alarm 0 }; print $@;
  local $SIG{CHLD} = sub { print "chld\n" }; if (!fork) { exit 0 } sleep 0.3; 1 while waitpid(-1, WNOHANG) > 0; local $SIG{CHLD} = "DEFAULT";
  my ($fh, $name) = tempfile(DIR => "."); print $fh "$_\n" for 1..1000; close $fh; open $fh, "<", $name; print sum(<$fh>), " ", -s $name, "\n";
  my %h = (b => 2, a => 1); print "$_=$h{$_} " for sort keys %h; print "\n"; print scalar reverse("abc"), " ", sprintf("%08.3f", 3.14159), "\n";
  ($_ = "x=1,y=2") =~ s/(\w)=(\d)/$2=$1/g; print "$_\n"; print qx(echo shell), $? , "\n"; flock($fh, 2) and print "locked\n"; print -d "/proc" ? "dir\n" : "none\n";
'
perl -Mthreads -Mthreads::shared -e 'my $n :shared = 0; my @t = map { threads->create(sub { for (1..500) { lock $n; $n++ } }) } 1..4; $_->join for @t; print "$n\n"'
perl -pe 's/a/b/' <<< banana; perl -lane 'print $F[1]' <<< "x y z"; perl -e 'exit 9'; echo $?
