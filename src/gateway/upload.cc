#include "gateway/upload.h"

#include "net/aside.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <utility>

namespace gateway {

using base::ErrorKind;
using base::fail;
using base::Result;
using Kind = llm::MultipartReader::Kind;

namespace {

const std::string kNotStored = "The upload can't be stored: ";
/// Parts of a form that are files; one of them is listened to.
constexpr int kMostFiles = 8;

std::atomic<std::uint64_t> bytes_in_files{0};

/// An open file that no folder lists, or -1.
int nameless_file(const std::string& folder) {
    const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) return file;
    std::string name = folder + "/upload-XXXXXX";  // not every file system has O_TMPFILE
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0) ::unlink(name.c_str());
    return named;
}

std::string random_boundary() {
    std::random_device random;
    return fmt::format("freeway-{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

Blob::~Blob() {
    if (file_ < 0) return;
    bytes_in_files -= size_;
    // Its blocks are freed with it, which takes as long as the disk does.
    net::asio::post(net::aside_threads(net::Beside::disk), [file = file_] { ::close(file); });
}

std::uint64_t Blob::stored() { return bytes_in_files; }

Blob::Blob(Blob&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      file_(std::exchange(other.file_, -1)),
      size_(std::exchange(other.size_, 0)) {}

Blob& Blob::operator=(Blob&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(file_, other.file_);
    std::swap(size_, other.size_);
    return *this;
}

Result<void> Blob::append(std::string_view bytes, const std::string& folder) {
    if (file_ < 0 && stores(bytes.size())) {
        file_ = nameless_file(folder);
        if (file_ < 0) return fail(ErrorKind::io, kNotStored + std::strerror(errno));
        const std::string before = std::exchange(bytes_, std::string());
        size_ = 0;
        if (auto written = write(before); !written) return written;
    }
    if (file_ >= 0) return write(bytes);
    bytes_ += bytes;
    size_ += bytes.size();
    return {};
}

Result<void> Blob::write(std::string_view bytes) {
    if (bytes_in_files + bytes.size() > kMostStored)
        return fail(ErrorKind::refused, "Too many uploads are under way; try again later.");
    while (!bytes.empty()) {
        const ssize_t put = ::write(file_, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return fail(ErrorKind::io, kNotStored + std::strerror(errno));
        size_ += static_cast<std::uint64_t>(put);
        bytes_in_files += static_cast<std::uint64_t>(put);
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

net::BodyPiece Blob::piece() const {
    return file_ < 0 ? net::BodyPiece{.bytes = bytes_} : net::BodyPiece{{}, file_, size_};
}

std::string Blob::read(std::uint64_t at, std::size_t most) const {
    if (at >= size_) return {};
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(most, size_ - at));
    if (file_ < 0) return bytes_.substr(static_cast<std::size_t>(at), size);
    std::string out(size, '\0');
    const ssize_t got = ::pread(file_, out.data(), size, static_cast<off_t>(at));
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

const FormPart* Form::find(std::string_view name) const {
    const auto found = std::find_if(parts.begin(), parts.end(),
                                    [&](const FormPart& part) { return part.head.name == name; });
    return found == parts.end() ? nullptr : &*found;
}

std::string_view Form::text(std::string_view name) const {
    for (const FormPart& part : parts)
        if (part.head.name == name && !part.file()) return part.value;
    return {};
}

namespace {

/// Puts the parts of a form where they belong as their bytes come.
class FormBuilder {
public:
    explicit FormBuilder(const std::string& folder) : folder_(folder) {}

    Result<void> begin(llm::PartHead head) {
        form.parts.push_back({std::move(head), {}, {}});
        keeps_ = !have_file_ && form.parts.back().head.name == "file";
        if (form.parts.back().file() && ++files_ > kMostFiles)
            return fail(
                ErrorKind::bad_input,
                fmt::format("The form has more than {} files; send one, as `file`.", kMostFiles));
        return {};
    }

    Result<void> add(std::string_view bytes) {
        FormPart& part = form.parts.back();
        if (part.file()) {
            if (!keeps_) return {};
            have_file_ = true;
            return part.blob.append(bytes, folder_);
        }
        field_bytes_ += bytes.size();
        if (field_bytes_ > kMostFieldBytes)
            return fail(ErrorKind::too_large,
                        fmt::format("the fields of the form are larger than 4 MB, `{}` is too "
                                    "long; send files with a filename",
                                    part.head.name));
        part.value += bytes;
        return {};
    }

    /// The next `more` bytes may be written to a disk.
    bool stores(std::size_t more) const {
        return !form.parts.empty() && form.parts.back().blob.stores(more);
    }

    Form form;

private:
    const std::string& folder_;
    std::size_t field_bytes_ = 0;
    int files_ = 0;
    bool keeps_ = false;      ///< the bytes of the file that has begun
    bool have_file_ = false;  ///< `file` is there and not empty
};

}  // namespace

namespace {

/// The next bytes of the body: all that they complete.
Result<void> take(llm::MultipartReader& reader, FormBuilder& builder, std::string_view bytes) {
    reader.feed(bytes);
    for (;;) {
        auto event = reader.next();
        if (!event) return std::unexpected(event.error());
        if (event->kind == Kind::more) return {};
        Result<void> taken;
        if (event->kind == Kind::part) taken = builder.begin(reader.part());
        if (event->kind == Kind::data) taken = builder.add(event->data);
        if (!taken) return taken;
    }
}

}  // namespace

net::Task<Result<Form>> read_form(net::Executor executor, net::Exchange& exchange,
                                  const std::string& folder, std::uint64_t limit) {
    auto boundary = llm::boundary_of(exchange.head.headers.get("content-type"));
    if (!boundary) co_return std::unexpected(boundary.error());
    llm::MultipartReader reader(*boundary);
    FormBuilder builder(folder);
    for (;;) {
        auto bytes = co_await exchange.read_some(limit);
        if (!bytes) co_return std::unexpected(bytes.error());
        if (bytes->empty()) break;
        const auto step = [&] { return take(reader, builder, *bytes); };
        const Result<void> taken = builder.stores(bytes->size())
                                       ? co_await net::aside(executor, net::Beside::disk, step)
                                       : step();
        if (!taken) co_return std::unexpected(taken.error());
    }
    if (!reader.done())
        co_return fail(ErrorKind::bad_input, "the multipart body ends before its closing boundary");
    co_return std::move(builder.form);
}

FormBody::FormBody()
    : boundary_(random_boundary()),
      content_type_("multipart/form-data; boundary=" + boundary_),
      texts_(1) {}

std::string& FormBody::text() { return texts_.back(); }

void FormBody::add(std::string_view name, std::string_view value) {
    llm::append_field(text(), boundary_, name, value);
}

void FormBody::add_file(const llm::PartHead& head, const Blob& blob) {
    llm::append_part(text(), boundary_, head);
    files_.push_back(&blob);
    texts_.emplace_back("\r\n");
}

void FormBody::close() {
    llm::append_closing(text(), boundary_);
    for (std::size_t i = 0; i < texts_.size(); ++i) {
        pieces_.push_back({.bytes = texts_[i]});
        if (i < files_.size()) pieces_.push_back(files_[i]->piece());
    }
}

}  // namespace gateway
