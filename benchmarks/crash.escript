#!/usr/bin/env escript
%% A one_for_one supervisor of Erlang/OTP with one gen_server, which dies again and again: by `exit(Pid,
%% kill)` from outside, then by an error of its own. Prints a line for each time: the manner, and the
%% nanoseconds from the death's cause to the reply of the successor.
%%! -kernel logger_level none
-module(crash).
-mode(compile).
-behaviour(supervisor).
-export([main/1, init/1, start_worker/0, handle_call/3, handle_cast/2]).

main([Text]) ->
    Times = list_to_integer(Text),
    logger:set_primary_config(level, none),
    {ok, _} = supervisor:start_link({local, top}, ?MODULE, top),
    [io:format("~s ~b~n", [How, sample(How)]) || How <- [kill, raise], _ <- lists:seq(1, Times)].

init(top) ->
    Worker = #{id => worker, start => {?MODULE, start_worker, []}},
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, [Worker]}};
init(worker) ->
    {ok, nothing}.

start_worker() -> gen_server:start_link({local, worker}, ?MODULE, worker, []).

handle_call(next, _From, State) -> {reply, served, State}.

handle_cast(raise, _State) -> error(told_to).

sample(How) ->
    Old = whereis(worker),
    Began = erlang:monotonic_time(nanosecond),
    strike(How, Old),
    served = gen_server:call(successor(Old), next),
    erlang:monotonic_time(nanosecond) - Began.

strike(kill, Pid) -> exit(Pid, kill);
strike(raise, Pid) -> gen_server:cast(Pid, raise).

successor(Old) ->
    case whereis(worker) of
        Pid when is_pid(Pid), Pid =/= Old -> Pid;
        _ -> erlang:yield(), successor(Old)
    end.
