#pragma once

#include "gateway/session.h"
#include "llm/images.h"

#include <optional>

namespace gateway {

/// Brings the images of an answer of `target` into the form that the client wants: an address is
/// fetched for one that wants base64, bytes are kept under /v1/files for one that wants an
/// address. Where they can't be kept the client gets base64 and the step says so. A failure: an
/// image that can't be had.
net::Task<std::optional<llm::Failure>> fit_delivery(Session& session, const config::Target& target,
                                                    llm::Delivery wanted, base::Time by,
                                                    llm::ImageAnswer& answer);

/// GET /v1/files/ID. The id is the permission: a page that shows the picture has no key.
net::Task<> handle_file(Lane& lane, net::Exchange& exchange, std::string id);

}  // namespace gateway
