#pragma once

#include "base/result.h"
#include "llm/multipart.h"
#include "net/http_server.h"
#include "net/upstream.h"

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

/// Bytes of any number that a client sent: few in memory, many in a file without a name, which is
/// gone with its last owner or the process. Can be sent any number of times.
class Blob {
public:
    static constexpr std::size_t kMostInMemory = 1u << 20;
    /// Of all blobs of the process together, in files.
    static constexpr std::uint64_t kMostStored = std::uint64_t{4} << 30;

    Blob() = default;
    ~Blob();
    Blob(Blob&& other) noexcept;
    Blob& operator=(Blob&& other) noexcept;

    /// `folder` is where a file is made once one is needed. Fails with io, or with refused where
    /// kMostStored would be passed.
    base::Result<void> append(std::string_view bytes, const std::string& folder);
    std::uint64_t size() const { return size_; }
    /// `more` bytes go to a file: appending them may take as long as a disk does.
    bool stores(std::size_t more) const { return file_ >= 0 || size_ + more > kMostInMemory; }
    /// Bytes that all blobs together have in files now.
    static std::uint64_t stored();
    /// For sending; valid while this Blob lives and is not moved or appended to.
    net::BodyPiece piece() const;
    /// At most `most` bytes from `at` on.
    std::string read(std::uint64_t at, std::size_t most) const;

private:
    base::Result<void> write(std::string_view bytes);
    std::string bytes_;
    int file_ = -1;
    std::uint64_t size_ = 0;
};

/// One part of a form: a file has its bytes in `blob`, any other in `value`.
struct FormPart {
    llm::PartHead head;
    std::string value;
    Blob blob;

    bool file() const { return head.filename.has_value(); }
};

/// What a client sent as multipart/form-data, in its order.
struct Form {
    std::vector<FormPart> parts;

    /// The first part of that name.
    const FormPart* find(std::string_view name) const;
    /// The value of the first part of that name that is no file; empty: there is none.
    std::string_view text(std::string_view name) const;
};

/// A field's value, all fields together.
inline constexpr std::size_t kMostFieldBytes = 4u << 20;

/// Reads the body of `exchange`, on whose thread `executor` is, as a form while it comes: files
/// never stand in memory whole, and a slow disk holds up nobody else. Only
/// the first file `file` that has bytes keeps them; those of others are passed over.
/// `limit`: bytes of the body. bad_input says what is wrong with it; else as Exchange::read_some().
net::Task<base::Result<Form>> read_form(net::Executor executor, net::Exchange& exchange,
                                        const std::string& folder, std::uint64_t limit);

/// A form as it is sent to an upstream. Refers to the blobs that it was given.
class FormBody {
public:
    FormBody();
    void add(std::string_view name, std::string_view value);
    void add_file(const llm::PartHead& head, const Blob& blob);
    /// After the last part. The pieces are valid while this object lives.
    void close();

    std::span<const net::BodyPiece> pieces() const { return pieces_; }
    const std::string& content_type() const { return content_type_; }

private:
    std::string& text();
    std::string boundary_;
    std::string content_type_;
    std::deque<std::string> texts_;  ///< between the files
    std::vector<const Blob*> files_;
    std::vector<net::BodyPiece> pieces_;
};

}  // namespace gateway
