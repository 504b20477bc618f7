// The physical limit of a relay: bytes in, bytes out, between two sockets.
//   rawproxy FROM TO     reads from one port and writes to the other until it is told to end (SIGTERM); prints its CPU seconds
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

static int connected(const char *port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<uint16_t>(atoi(port)));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (sockaddr *)&a, sizeof a)) exit(3);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct sigaction ended {};
  ended.sa_handler = [](int) {};
  sigaction(SIGTERM, &ended, nullptr);
  std::vector<char> buffer(1 << 20);
  int from = connected(argv[1]), to = connected(argv[2]);
  long long bytes = 0;
  for (ssize_t n; (n = read(from, buffer.data(), buffer.size())) > 0; bytes += n)
    for (ssize_t done = 0, m; done < n; done += m)
      if ((m = write(to, buffer.data() + done, static_cast<size_t>(n - done))) <= 0) return 1;
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  double cpu = double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + double(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
  printf("{\"bytes\": %lld, \"cpu_s\": %.4f}\n", bytes, cpu);
}
