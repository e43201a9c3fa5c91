#pragma once

#include "net/frame_pool.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace net {

namespace asio = boost::asio;
using boost::system::error_code;

/// Concrete executor: part of the measured speed.
using Executor = asio::io_context::executor_type;

/// A coroutine on a worker's thread.
template <class T = void>
using Task = asio::awaitable<T, Executor>;

/// Awaiting with this yields [error_code, value]: failures are values.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> kAwait{
    asio::use_awaitable_t<Executor>{}};

using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

}  // namespace net
