#include "device/turns.h"

#include <algorithm>

namespace device {

using base::ErrorKind;

void Turns::ask(Ticket ticket, std::string engine, WhenBusy when_busy) {
    const bool busy = turn_ || clearing_ || !waiting_.empty();
    if ((busy && when_busy == WhenBusy::refuse) || waiting_.size() >= kMostWaiting) {
        actions_.push_back({Action::Kind::refuse,
                            engine,
                            ticket,
                            {ErrorKind::busy, (turn_ ? turn_->engine : engine) +
                                                  " is busy: another load or generation is in "
                                                  "progress"}});
        return;
    }
    waiting_.push_back({ticket, std::move(engine)});
    advance();
}

void Turns::ended(Ticket ticket) {
    std::erase_if(waiting_, [ticket](const Turn& turn) { return turn.ticket == ticket; });
    if (turn_ && turn_->ticket == ticket) turn_.reset();
    advance();
}

void Turns::cleared() {
    clearing_ = false;
    if (turn_)
        actions_.push_back({Action::Kind::ask, turn_->engine, turn_->ticket});
    else
        advance();
}

void Turns::advance() {
    if (turn_ || clearing_ || waiting_.empty()) return;
    turn_ = std::move(waiting_.front());
    waiting_.pop_front();
    clearing_ = true;
    actions_.push_back({Action::Kind::clear, turn_->engine});
}

}  // namespace device
