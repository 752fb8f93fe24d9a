//! Messages of a kind that is not read yet: named, so that nothing is lost silently.

use waypost_domain::Content;
use whatsapp_rust::waproto::whatsapp as wa;

/// Names the kind of a message by the protobuf field that carries it. `None` where no field is set that a person
/// would call a message: distributions of keys, requests between devices, and the like.
pub(super) fn read(message: &wa::Message) -> Option<Content> {
    kind(message).map(|kind| Content::Unsupported { kind: kind.to_owned() })
}

macro_rules! first_set {
    ($message:expr; $($field:ident => $name:literal,)*) => {{
        $(if $message.$field.is_set() { return Some($name); })*
        None
    }};
}

/// The fields of `Message` in `WAProto` 0.7.0, in its order and under its names, less those that carry no message of a
/// person: key distributions, `messageContextInfo`, `protocolMessage`, shared history, sticker sync.
#[expect(clippy::too_many_lines, reason = "a table, a line for each kind")]
fn kind(message: &wa::Message) -> Option<&'static str> {
    first_set! { message;
        image_message => "imageMessage",
        contact_message => "contactMessage",
        location_message => "locationMessage",
        document_message => "documentMessage",
        audio_message => "audioMessage",
        video_message => "videoMessage",
        call => "call",
        chat => "chat",
        contacts_array_message => "contactsArrayMessage",
        highly_structured_message => "highlyStructuredMessage",
        send_payment_message => "sendPaymentMessage",
        live_location_message => "liveLocationMessage",
        request_payment_message => "requestPaymentMessage",
        decline_payment_request_message => "declinePaymentRequestMessage",
        cancel_payment_request_message => "cancelPaymentRequestMessage",
        template_message => "templateMessage",
        sticker_message => "stickerMessage",
        group_invite_message => "groupInviteMessage",
        template_button_reply_message => "templateButtonReplyMessage",
        product_message => "productMessage",
        list_message => "listMessage",
        view_once_message => "viewOnceMessage",
        order_message => "orderMessage",
        list_response_message => "listResponseMessage",
        ephemeral_message => "ephemeralMessage",
        invoice_message => "invoiceMessage",
        buttons_message => "buttonsMessage",
        buttons_response_message => "buttonsResponseMessage",
        payment_invite_message => "paymentInviteMessage",
        interactive_message => "interactiveMessage",
        reaction_message => "reactionMessage",
        interactive_response_message => "interactiveResponseMessage",
        poll_creation_message => "pollCreationMessage",
        poll_update_message => "pollUpdateMessage",
        keep_in_chat_message => "keepInChatMessage",
        document_with_caption_message => "documentWithCaptionMessage",
        request_phone_number_message => "requestPhoneNumberMessage",
        view_once_message_v2 => "viewOnceMessageV2",
        enc_reaction_message => "encReactionMessage",
        edited_message => "editedMessage",
        view_once_message_v2_extension => "viewOnceMessageV2Extension",
        poll_creation_message_v2 => "pollCreationMessageV2",
        scheduled_call_creation_message => "scheduledCallCreationMessage",
        group_mentioned_message => "groupMentionedMessage",
        pin_in_chat_message => "pinInChatMessage",
        poll_creation_message_v3 => "pollCreationMessageV3",
        scheduled_call_edit_message => "scheduledCallEditMessage",
        ptv_message => "ptvMessage",
        bot_invoke_message => "botInvokeMessage",
        call_log_messsage => "callLogMesssage",
        enc_comment_message => "encCommentMessage",
        bcall_message => "bcallMessage",
        lottie_sticker_message => "lottieStickerMessage",
        event_message => "eventMessage",
        enc_event_response_message => "encEventResponseMessage",
        comment_message => "commentMessage",
        newsletter_admin_invite_message => "newsletterAdminInviteMessage",
        placeholder_message => "placeholderMessage",
        secret_encrypted_message => "secretEncryptedMessage",
        album_message => "albumMessage",
        event_cover_image => "eventCoverImage",
        sticker_pack_message => "stickerPackMessage",
        status_mention_message => "statusMentionMessage",
        poll_result_snapshot_message => "pollResultSnapshotMessage",
        poll_creation_option_image_message => "pollCreationOptionImageMessage",
        associated_child_message => "associatedChildMessage",
        group_status_mention_message => "groupStatusMentionMessage",
        poll_creation_message_v4 => "pollCreationMessageV4",
        status_add_yours => "statusAddYours",
        group_status_message => "groupStatusMessage",
        rich_response_message => "richResponseMessage",
        status_notification_message => "statusNotificationMessage",
        limit_sharing_message => "limitSharingMessage",
        bot_task_message => "botTaskMessage",
        question_message => "questionMessage",
        group_status_message_v2 => "groupStatusMessageV2",
        bot_forwarded_message => "botForwardedMessage",
        status_question_answer_message => "statusQuestionAnswerMessage",
        question_reply_message => "questionReplyMessage",
        question_response_message => "questionResponseMessage",
        status_quoted_message => "statusQuotedMessage",
        status_sticker_interaction_message => "statusStickerInteractionMessage",
        poll_creation_message_v5 => "pollCreationMessageV5",
        newsletter_follower_invite_message_v2 => "newsletterFollowerInviteMessageV2",
        poll_result_snapshot_message_v3 => "pollResultSnapshotMessageV3",
        newsletter_admin_profile_message => "newsletterAdminProfileMessage",
        newsletter_admin_profile_message_v2 => "newsletterAdminProfileMessageV2",
        spoiler_message => "spoilerMessage",
        poll_creation_message_v6 => "pollCreationMessageV6",
        conditional_reveal_message => "conditionalRevealMessage",
        poll_add_option_message => "pollAddOptionMessage",
        event_invite_message => "eventInviteMessage",
        payment_reminder_message => "paymentReminderMessage",
        split_payment_message => "splitPaymentMessage",
        newsletter_admin_profile_status_message => "newsletterAdminProfileStatusMessage",
    }
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::buffa::MessageField;

    use super::*;

    #[test]
    fn a_kind_is_named_as_the_protobuf_names_it() {
        let image = wa::Message {
            image_message: MessageField::some(wa::message::ImageMessage::default()),
            ..wa::Message::default()
        };
        assert_eq!(read(&image), Some(Content::Unsupported { kind: "imageMessage".to_owned() }));
    }

    #[test]
    fn a_message_of_keys_alone_is_none() {
        let keys = wa::Message {
            sender_key_distribution_message: MessageField::some(wa::message::SenderKeyDistributionMessage::default()),
            message_context_info: MessageField::some(wa::MessageContextInfo::default()),
            ..wa::Message::default()
        };
        assert_eq!(read(&keys), None);
    }
}
