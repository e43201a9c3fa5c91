#pragma once

#include "gateway/gateway.h"
#include "gateway/image_models.h"
#include "net/http_server.h"

/// What the image service of stable-diffusion.cpp's wrapper answers under /sdcpp/v1, for the models
/// that freeway runs itself; where it runs none, the wrapper elsewhere is asked. Access was checked
/// before.
namespace admin {

/// What is loaded, loading and being drawn.
net::Task<> show_image_service(gateway::Lane& lane, net::Exchange& exchange, gateway::ImageSet set);
/// `?model=KEY`: loads it in place of what is loaded; 503 while another load or generation goes on.
net::Task<> load_image_model(gateway::Lane& lane, net::Exchange& exchange, gateway::ImageSet set);
/// Frees the memory; 409 while it is in use.
net::Task<> unload_image_model(gateway::Lane& lane, net::Exchange& exchange, gateway::ImageSet set);
/// Ends the load or generation under way, with its process.
net::Task<> cancel_image(gateway::Lane& lane, net::Exchange& exchange, gateway::ImageSet set);

}  // namespace admin
