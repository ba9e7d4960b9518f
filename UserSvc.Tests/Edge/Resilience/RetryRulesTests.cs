using System.Net;
using Microsoft.AspNetCore.Http;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class RetryRulesTests
{
    [Theory]
    [InlineData("GET", null, "Safe")]
    [InlineData("HEAD", null, "Safe")]
    [InlineData("GET", "If-Match", "Safe")]
    [InlineData("PUT", null, "Idempotent")]
    [InlineData("PUT", "If-Range", "Idempotent")]
    [InlineData("PUT", "Authorization", "Once")]
    [InlineData("PUT", "If-Match", "Once")]
    [InlineData("PUT", "If-None-Match", "Once")]
    [InlineData("PUT", "If-Modified-Since", "Once")]
    [InlineData("PUT", "If-Unmodified-Since", "Once")]
    [InlineData("POST", null, "Once")]
    [InlineData("DELETE", null, "Once")]
    [InlineData("OPTIONS", null, "Once")]
    public void Request_WithThisMethodAndHeader_MayBeRepeated(string method, string? header, string expected)
    {
        var request = new DefaultHttpContext().Request;
        request.Method = method;
        if (header is not null)
        {
            request.Headers[header] = "x";
        }

        Assert.Equal(expected, RetryRules.GetRepeatability(request).ToString());
    }

    [Theory]
    [InlineData("ConnectFailure", "Once Idempotent Safe")]
    [InlineData("Reset", "Idempotent Safe")]
    [InlineData("TimedOut", "Safe")]
    [InlineData("GatewayError", "Idempotent Safe")]
    [InlineData("Nothing", "")]
    [InlineData("Answered", "")]
    [InlineData("Overloaded", "")]
    [InlineData("Failed", "")]
    [InlineData("BrokenAnswer", "")]
    public void Attempt_WithThisOutcome_IsRetriedForTheseRequests(string outcome, string expected)
    {
        var allowed = Enum.GetValues<Repeatability>().Where(r => RetryRules.Allow(r, Enum.Parse<AttemptOutcome>(outcome)));

        Assert.Equal(expected, string.Join(' ', allowed));
    }

    [Theory]
    [InlineData(200, false, "Answered")]
    [InlineData(404, false, "Answered")]
    [InlineData(500, false, "Failed")]
    [InlineData(502, false, "GatewayError")]
    [InlineData(503, false, "GatewayError")]
    [InlineData(504, false, "Failed")]
    [InlineData(503, true, "Overloaded")]
    [InlineData(429, true, "Answered")]
    public void Answer_WithThisStatus_HasThisOutcome(int status, bool overloaded, string expected)
    {
        using var answer = new HttpResponseMessage((HttpStatusCode)status);
        if (overloaded)
        {
            answer.Headers.Add("x-envoy-overloaded", "true");
        }

        Assert.Equal(expected, RetryRules.Classify(answer).ToString());
    }

    [Theory]
    [InlineData(ForwarderError.Request, HttpRequestError.ConnectionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.NameResolutionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.SecureConnectionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.ProxyTunnelError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.ResponseEnded, "Reset")]
    [InlineData(ForwarderError.RequestBodyDestination, HttpRequestError.ConnectionError, "Reset")]
    [InlineData(ForwarderError.RequestCanceled, HttpRequestError.Unknown, "Nothing")]
    [InlineData(ForwarderError.RequestBodyClient, HttpRequestError.Unknown, "Nothing")]
    [InlineData(ForwarderError.ResponseBodyDestination, HttpRequestError.ResponseEnded, "BrokenAnswer")]
    public void Failure_OfTheForwarder_HasThisOutcome(ForwarderError error, HttpRequestError cause, string expected)
    {
        var failure = new Failure(error, new HttpRequestException(cause));

        Assert.Equal(expected, RetryRules.Classify(failure, sent: true, timedOut: false).ToString());
    }

    [Fact]
    public void Timeout_OfTheConnectionOrOfTheAnswer_IsToldApart()
    {
        var connection = new Failure(ForwarderError.RequestTimedOut, new OperationCanceledException("", new TimeoutException()));
        var answer = new Failure(ForwarderError.RequestTimedOut, new OperationCanceledException());

        Assert.Equal(
            (AttemptOutcome.ConnectFailure, AttemptOutcome.TimedOut),
            (RetryRules.Classify(connection, sent: true, timedOut: false), RetryRules.Classify(answer, sent: true, timedOut: false)));
    }

    [Theory]
    [InlineData(ForwarderError.RequestCanceled, true, true, "TimedOut")]
    [InlineData(ForwarderError.RequestCanceled, true, false, "Nothing")]
    [InlineData(ForwarderError.RequestCanceled, false, true, "Nothing")]
    [InlineData(ForwarderError.ResponseHeaders, true, true, "TimedOut")]
    [InlineData(ForwarderError.ResponseHeaders, true, false, "BrokenAnswer")]
    [InlineData(ForwarderError.ResponseBodyCanceled, true, true, "TimedOut")]
    [InlineData(ForwarderError.ResponseBodyCanceled, true, false, "Nothing")]
    public void Cancellation_OfAnAttempt_IsTheDestinationsTimeoutOnlyIfItHadTheWholeRequest(ForwarderError error, bool sent, bool timedOut, string expected)
    {
        var failure = new Failure(error, new OperationCanceledException());

        Assert.Equal(expected, RetryRules.Classify(failure, sent, timedOut).ToString());
    }

    private sealed record Failure(ForwarderError Error, Exception? Exception) : IForwarderErrorFeature;
}
