//! A model that is asked no faster than it may be.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::{ChatModel, PartSource, Parts, Request};
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::limit::{Permit, RateLimit};
use crate::part::PartWriter;

pub(super) struct Limited {
    pub(super) provider: Arc<dyn ChatModel>,
    pub(super) limit: RateLimit,
}

impl ChatModel for Limited {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        Box::pin(async move {
            let permit = self.limit.turn().await;
            let mut parts = self.provider.open(request, cx).await?;
            parts.source = parts.source.map(|source| Box::new(Permitted { source, _permit: permit }) as _);
            Ok(parts)
        })
    }

    fn label(&self) -> Label {
        self.provider.label()
    }

    fn takes_response_format(&self) -> bool {
        self.provider.takes_response_format()
    }

    fn identity(&self) -> String {
        self.provider.identity()
    }
}

/// An answer that is under way: its source is dropped when it has ended.
struct Permitted {
    source: Box<dyn PartSource>,
    _permit: Permit,
}

impl PartSource for Permitted {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        self.source.poll_fill(task, out)
    }
}
