// Linux calls that Swift's Glibc module does not show. Every name of ours begins with cdc_.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/// epoll_event is packed and its data is a union; one call with a plain number is simpler to use and to check.
static inline int cdc_epoll_add(int epoll_fd, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static inline int cdc_epoll_remove(int epoll_fd, int fd) {
  struct epoll_event event = {0};
  return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
}

/// A connection from the backlog, non-blocking and closed on exec, or -1 with errno.
static inline int cdc_accept(int fd) {
  for (;;) {
    int connection = accept(fd, 0, 0);
    if (connection < 0 && errno == EINTR) continue;
    if (connection < 0) return -1;
    if (fcntl(connection, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) | O_NONBLOCK) < 0) {
      int reason = errno;
      close(connection);
      errno = reason;
      return -1;
    }
    return connection;
  }
}

/// A non-blocking TCP socket that is closed on exec, or -1 with errno.
static inline int cdc_tcp_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

static inline int cdc_set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}
